<?php
/**
 * Settings: where Hakam is, the key of this site, and what becomes of what is rejected.
 *
 * The constants HAKAM_URL, HAKAM_SITE_KEY and HAKAM_WEBHOOK_SECRET of wp-config.php go before what
 * is stored, so that secrets need not lie in the database.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reads and checks the settings.
 */
final class Hakam_Settings {

	const OPTION = 'hakam_settings';

	const DEFAULTS = array(
		'url'              => '',
		'site_key'         => '',
		'webhook_secret'   => '',
		'on_reject'        => 'trash',
		'publish_approved' => true,
	);

	const CONSTANTS = array(
		'url'            => 'HAKAM_URL',
		'site_key'       => 'HAKAM_SITE_KEY',
		'webhook_secret' => 'HAKAM_WEBHOOK_SECRET',
	);

	/**
	 * Returns one setting.
	 *
	 * @param string $name One of DEFAULTS.
	 * @return mixed
	 */
	public static function get( $name ) {
		if ( self::is_constant( $name ) ) {
			$value = constant( self::CONSTANTS[ $name ] );
			return 'url' === $name ? untrailingslashit( (string) $value ) : (string) $value;
		}
		$stored = get_option( self::OPTION );
		$stored = is_array( $stored ) ? $stored : array();
		return array_merge( self::DEFAULTS, $stored )[ $name ];
	}

	/**
	 * Tells whether wp-config.php fixes a setting.
	 *
	 * @param string $name A setting.
	 * @return bool
	 */
	public static function is_constant( $name ) {
		return isset( self::CONSTANTS[ $name ] ) && defined( self::CONSTANTS[ $name ] );
	}

	/**
	 * Tells whether Hakam can be asked. Until then WordPress decides alone.
	 *
	 * @return bool
	 */
	public static function is_ready() {
		return '' !== self::get( 'url' ) && '' !== self::get( 'site_key' );
	}

	/**
	 * Returns the address to which Hakam tells its decisions.
	 *
	 * @return string
	 */
	public static function webhook_url() {
		return rest_url( Hakam_Webhook::REST_NAMESPACE . Hakam_Webhook::ROUTE );
	}

	/**
	 * Returns the key with which a webhook secret signs; empty where it is no such secret.
	 *
	 * @param string $secret The form of Standard Webhooks: whsec_ and base64.
	 * @return string Bytes.
	 */
	public static function signing_key( $secret ) {
		if ( 0 !== strpos( $secret, 'whsec_' ) ) {
			return '';
		}
		$key = base64_decode( substr( $secret, 6 ), true ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- the form of the secret.
		return is_string( $key ) && strlen( $key ) >= 24 && strlen( $key ) <= 64 ? $key : '';
	}

	/**
	 * Checks what came from the form. A secret that was left empty stays as it is, and one that
	 * cannot be is named and not taken.
	 *
	 * @param mixed $given What was sent.
	 * @return array
	 */
	public static function sanitize( $given ) {
		$given = is_array( $given ) ? $given : array();
		$kept  = get_option( self::OPTION );
		$kept  = array_merge( self::DEFAULTS, is_array( $kept ) ? $kept : array() );

		$url = self::text( $given, 'url' );
		if ( '' === $url ) {
			$kept['url'] = '';
		} elseif ( self::is_address( $url ) ) {
			$kept['url'] = untrailingslashit( esc_url_raw( $url, array( 'http', 'https' ) ) );
		} else {
			self::refuse( 'url', __( 'The address of Hakam must begin with https:// (or http://) and name a host.', 'hakam' ) );
		}

		$key = self::text( $given, 'site_key' );
		if ( '' !== $key ) {
			if ( preg_match( '/^[\x21-\x7e]{8,256}$/D', $key ) ) {
				$kept['site_key'] = $key;
			} else {
				self::refuse( 'site_key', __( 'The site key is not one: it has 8 to 256 characters without blanks.', 'hakam' ) );
			}
		}

		$secret = self::text( $given, 'webhook_secret' );
		if ( '' !== $secret ) {
			if ( '' !== self::signing_key( $secret ) ) {
				$kept['webhook_secret'] = $secret;
			} else {
				self::refuse( 'webhook_secret', __( 'The webhook secret is not one: it begins with whsec_.', 'hakam' ) );
			}
		}

		$on_reject = self::text( $given, 'on_reject' );
		if ( in_array( $on_reject, array( 'trash', 'spam', 'hold' ), true ) ) {
			$kept['on_reject'] = $on_reject;
		}
		$kept['publish_approved'] = ! empty( $given['publish_approved'] );
		return $kept;
	}

	/**
	 * Returns a field as text without blanks around it.
	 *
	 * @param array  $given What was sent.
	 * @param string $name  The field.
	 * @return string
	 */
	private static function text( array $given, $name ) {
		return isset( $given[ $name ] ) && is_string( $given[ $name ] ) ? trim( $given[ $name ] ) : '';
	}

	/**
	 * Tells whether Hakam may be at an address.
	 *
	 * @param string $url An address.
	 * @return bool
	 */
	private static function is_address( $url ) {
		$parts = wp_parse_url( $url );
		return is_array( $parts )
			&& in_array( $parts['scheme'] ?? '', array( 'http', 'https' ), true )
			&& '' !== ( $parts['host'] ?? '' )
			&& ! isset( $parts['user'] ) && ! isset( $parts['query'] ) && ! isset( $parts['fragment'] );
	}

	/**
	 * Tells the person at the form what is wrong with a field, without repeating it.
	 *
	 * @param string $name    The field.
	 * @param string $message What is wrong.
	 */
	private static function refuse( $name, $message ) {
		if ( function_exists( 'add_settings_error' ) ) {
			add_settings_error( self::OPTION, 'hakam_' . $name, $message );
		}
	}
}
