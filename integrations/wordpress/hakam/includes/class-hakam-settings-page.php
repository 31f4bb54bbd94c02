<?php
/**
 * Settings page: connect to Hakam, and try it with one text.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Settings, Hakam in wp-admin.
 */
final class Hakam_Settings_Page {

	const SLUG       = 'hakam';
	const CAPABILITY = 'manage_options';
	const TEST       = 'hakam_test';

	/**
	 * Listens.
	 */
	public static function register() {
		add_action( 'admin_menu', array( __CLASS__, 'add_page' ) );
		add_action( 'admin_init', array( __CLASS__, 'add_setting' ) );
		add_action( 'admin_post_' . self::TEST, array( __CLASS__, 'test' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( HAKAM_PLUGIN_FILE ), array( __CLASS__, 'with_link' ) );
	}

	/**
	 * Adds the page.
	 */
	public static function add_page() {
		add_options_page( __( 'Hakam: moderation of Arabic comments', 'hakam' ), __( 'Hakam', 'hakam' ), self::CAPABILITY, self::SLUG, array( __CLASS__, 'show' ) );
	}

	/**
	 * Adds a link to the page to the list of plugins.
	 *
	 * @param array $links Of the plugin.
	 * @return array
	 */
	public static function with_link( $links ) {
		$link = sprintf( '<a href="%s">%s</a>', esc_url( self::address() ), esc_html__( 'Settings', 'hakam' ) );
		return array_merge( array( $link ), $links );
	}

	/**
	 * Returns the address of the page.
	 *
	 * @return string
	 */
	private static function address() {
		return add_query_arg( 'page', self::SLUG, admin_url( 'options-general.php' ) );
	}

	/**
	 * Lets WordPress take the form, with its own nonce and check of capability.
	 */
	public static function add_setting() {
		register_setting(
			self::SLUG,
			Hakam_Settings::OPTION,
			array(
				'type'              => 'array',
				'sanitize_callback' => array( 'Hakam_Settings', 'sanitize' ),
				'show_in_rest'      => false,
			)
		);
		if ( function_exists( 'wp_add_privacy_policy_content' ) ) {
			wp_add_privacy_policy_content(
				__( 'Hakam', 'hakam' ),
				wp_kses_post( '<p>' . __( 'Before a comment is published, its text, the name of its author and the address of the article are sent to the moderation service of this site, Hakam. Mail and IP addresses are not sent. Texts of decided comments are deleted there after the period that is set there.', 'hakam' ) . '</p>' )
			);
		}
	}

	/**
	 * Asks Hakam about one text; nothing is stored there.
	 */
	public static function test() {
		if ( ! current_user_can( self::CAPABILITY ) ) {
			wp_die( esc_html__( 'Not allowed.', 'hakam' ), 403 );
		}
		check_admin_referer( self::TEST );
		$text   = isset( $_POST['hakam_text'] ) ? sanitize_textarea_field( wp_unslash( $_POST['hakam_text'] ) ) : '';
		$text   = Hakam_Text::fitting( $text );
		$result = Hakam_Settings::is_ready()
			? Hakam_Client::post( '/v1/score', array( 'text' => $text ) )
			: new WP_Error( 'hakam_no_answer', __( 'Enter the address and the site key first.', 'hakam' ) );
		set_transient(
			self::TEST . get_current_user_id(),
			array(
				'text'   => $text,
				'answer' => is_wp_error( $result ) ? null : $result,
				'error'  => is_wp_error( $result ) ? $result->get_error_message() : '',
			),
			MINUTE_IN_SECONDS
		);
		wp_safe_redirect( self::address() . '#hakam-test' );
		exit;
	}

	/**
	 * Shows the page.
	 */
	public static function show() {
		if ( ! current_user_can( self::CAPABILITY ) ) {
			return;
		}
		echo '<div class="wrap hakam"><h1>' . esc_html__( 'Hakam', 'hakam' ) . '</h1>';
		echo '<p>' . esc_html__( 'New comments are read by your Hakam before they are published: what is clean appears at once, what is doubtful waits for a person, and what is decided there is done here.', 'hakam' ) . '</p>';
		self::show_form();
		self::show_test();
		self::show_webhook();
		echo '</div>';
	}

	/**
	 * Shows the form of the settings.
	 */
	private static function show_form() {
		echo '<form method="post" action="options.php">';
		settings_fields( self::SLUG );
		echo '<table class="form-table" role="presentation">';
		self::field(
			'url',
			__( 'Address of Hakam', 'hakam' ),
			'url',
			'' === Hakam_Settings::get( 'url' ) ? '' : Hakam_Settings::get( 'url' ),
			'https://hakam.example',
			__( 'Where your Hakam is reached from this server. Use https:// unless it is in your own network.', 'hakam' )
		);
		self::field(
			'site_key',
			__( 'Site key', 'hakam' ),
			'password',
			'',
			self::hint( 'site_key' ),
			__( 'As hakam sites add printed it. It is not shown again; leave the field empty to keep it.', 'hakam' )
		);
		self::field(
			'webhook_secret',
			__( 'Webhook secret', 'hakam' ),
			'password',
			'',
			self::hint( 'webhook_secret' ),
			__( 'With it Hakam signs what its moderators decide; see below. Leave the field empty to keep it.', 'hakam' )
		);
		self::choices();
		echo '</table>';
		submit_button();
		echo '</form>';
	}

	/**
	 * Shows a field.
	 *
	 * @param string $name        Of the setting.
	 * @param string $label       What it is.
	 * @param string $type        Of the input.
	 * @param string $value       What is in it.
	 * @param string $placeholder What stands in it while it is empty.
	 * @param string $help        What to enter.
	 */
	private static function field( $name, $label, $type, $value, $placeholder, $help ) {
		$fixed = Hakam_Settings::is_constant( $name );
		printf(
			'<tr><th scope="row"><label for="hakam-%1$s">%2$s</label></th><td><input id="hakam-%1$s" class="regular-text code" dir="ltr" autocomplete="off" spellcheck="false" type="%3$s" name="%4$s[%1$s]" value="%5$s" placeholder="%6$s"%7$s><p class="description">%8$s</p></td></tr>',
			esc_attr( $name ),
			esc_html( $label ),
			esc_attr( $type ),
			esc_attr( Hakam_Settings::OPTION ),
			esc_attr( $value ),
			esc_attr( $placeholder ),
			disabled( $fixed, true, false ),
			esc_html( $fixed ? __( 'Set in wp-config.php.', 'hakam' ) : $help )
		);
	}

	/**
	 * Returns what of a secret may be shown: its last four letters.
	 *
	 * @param string $name Of the setting.
	 * @return string
	 */
	private static function hint( $name ) {
		$secret = Hakam_Settings::get( $name );
		return '' === $secret ? '' : str_repeat( "\u{2022}", 8 ) . substr( $secret, -4 );
	}

	/**
	 * Shows what becomes of comments.
	 */
	private static function choices() {
		$choices = array(
			'trash' => __( 'Move them to the trash', 'hakam' ),
			'spam'  => __( 'Mark them as spam', 'hakam' ),
			'hold'  => __( 'Keep them held', 'hakam' ),
		);
		$options = '';
		foreach ( $choices as $value => $name ) {
			$options .= sprintf( '<option value="%s"%s>%s</option>', esc_attr( $value ), selected( Hakam_Settings::get( 'on_reject' ), $value, false ), esc_html( $name ) );
		}
		printf(
			'<tr><th scope="row"><label for="hakam-on_reject">%s</label></th><td><select id="hakam-on_reject" name="%s[on_reject]">%s</select></td></tr>',
			esc_html__( 'Rejected comments', 'hakam' ),
			esc_attr( Hakam_Settings::OPTION ),
			$options // phpcs:ignore WordPress.Security.EscapeOutput -- escaped above.
		);
		printf(
			'<tr><th scope="row">%1$s</th><td><label><input type="checkbox" name="%2$s[publish_approved]" value="1"%3$s> %4$s</label><p class="description">%5$s</p></td></tr>',
			esc_html__( 'Approved comments', 'hakam' ),
			esc_attr( Hakam_Settings::OPTION ),
			checked( (bool) Hakam_Settings::get( 'publish_approved' ), true, false ),
			esc_html__( 'Publish them, even where the rules of WordPress would hold them', 'hakam' ),
			esc_html__( 'Without the tick, a comment needs both: Hakam and Settings, Discussion.', 'hakam' )
		);
	}

	/**
	 * Shows the form that tries Hakam, and what it has answered.
	 */
	private static function show_test() {
		$found = get_transient( self::TEST . get_current_user_id() );
		delete_transient( self::TEST . get_current_user_id() );
		$text = is_array( $found ) ? (string) $found['text'] : "\u{634}\u{643}\u{631}\u{627} \u{639}\u{644}\u{649} \u{627}\u{644}\u{645}\u{642}\u{627}\u{644}"; // "Thanks for the article".
		echo '<h2 id="hakam-test">' . esc_html__( 'Try it', 'hakam' ) . '</h2>';
		printf( '<form method="post" action="%s">', esc_url( admin_url( 'admin-post.php' ) ) );
		printf( '<input type="hidden" name="action" value="%s">', esc_attr( self::TEST ) );
		wp_nonce_field( self::TEST );
		printf(
			'<p><label for="hakam-text">%s</label></p><p><textarea id="hakam-text" name="hakam_text" rows="3" class="large-text" dir="auto">%s</textarea></p>',
			esc_html__( 'What does Hakam say to this? Nothing is stored.', 'hakam' ),
			esc_textarea( $text )
		);
		submit_button( __( 'Ask Hakam', 'hakam' ), 'secondary', 'hakam_ask', true );
		echo '</form>';
		if ( is_array( $found ) ) {
			self::show_answer( $found );
		}
	}

	/**
	 * Shows what Hakam has answered to the test.
	 *
	 * @param array $found Text, answer and error.
	 */
	private static function show_answer( array $found ) {
		$answer  = $found['answer'];
		$actions = array(
			'approve' => __( 'It would be published.', 'hakam' ),
			'review'  => __( 'It would wait for a person.', 'hakam' ),
			'reject'  => __( 'It would be rejected.', 'hakam' ),
		);
		$action  = is_array( $answer ) ? ( $answer['action'] ?? '' ) : '';
		if ( ! is_string( $action ) || ! isset( $actions[ $action ] ) ) {
			$why = '' === $found['error'] ? __( 'What answered is not Hakam.', 'hakam' ) : $found['error'];
			printf( '<div class="notice notice-error inline"><p>%s</p></div>', esc_html( $why ) );
			return;
		}
		$spans = array();
		foreach ( (array) ( $answer['evidence'] ?? array() ) as $part ) {
			if ( is_int( $part['start'] ?? null ) && is_int( $part['end'] ?? null ) ) {
				$spans[] = array( $part['start'], $part['end'] );
			}
		}
		$scores = array_filter( (array) ( $answer['scores'] ?? array() ), 'is_numeric' );
		printf(
			'<div class="notice notice-%s inline hakam-answer"><p><strong>%s</strong></p>%s<p class="hakam-marked" dir="auto">%s</p></div>',
			'approve' === $action ? 'success' : 'warning',
			esc_html( $actions[ $action ] ),
			Hakam_Comment_List::labels( $scores ), // phpcs:ignore WordPress.Security.EscapeOutput -- escaped there.
			Hakam_Text::marked( $found['text'], $spans ) // phpcs:ignore WordPress.Security.EscapeOutput -- escaped there.
		);
	}

	/**
	 * Shows how Hakam is told where to send what its moderators decide.
	 */
	private static function show_webhook() {
		echo '<h2>' . esc_html__( 'What moderators decide in Hakam', 'hakam' ) . '</h2>';
		printf( '<p>%s</p>', esc_html__( 'Run this where Hakam runs, with the id of your site, and enter the secret that it prints above:', 'hakam' ) );
		printf( '<p><code dir="ltr">hakam sites set ID --webhook-url "%s"</code></p>', esc_html( Hakam_Settings::webhook_url() ) );
	}
}
