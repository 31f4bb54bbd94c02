<?php
/**
 * Webhook: what moderators decide in Hakam is done here.
 *
 * Messages are signed as Standard Webhooks says. One is only ever done if it is younger than all that
 * is known of its comment, by its place in Hakam's stream, so that repeating a message does nothing.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * The REST route of the webhook.
 */
final class Hakam_Webhook {

	const REST_NAMESPACE = 'hakam/v1';
	const ROUTE          = '/webhook';

	const WINDOW_SECONDS = 300; // That a message may be old, or our clock be behind.
	const MAX_BYTES      = 65536;

	/**
	 * Listens.
	 */
	public static function register() {
		add_action( 'rest_api_init', array( __CLASS__, 'add_route' ) );
	}

	/**
	 * Adds the route.
	 */
	public static function add_route() {
		register_rest_route(
			self::REST_NAMESPACE,
			self::ROUTE,
			array(
				'methods'             => 'POST',
				'callback'            => array( __CLASS__, 'receive' ),
				'permission_callback' => array( __CLASS__, 'is_signed' ),
			)
		);
	}

	/**
	 * Tells whether Hakam has signed a request, a short while ago.
	 *
	 * @param WP_REST_Request $request The request.
	 * @return true|WP_Error
	 */
	public static function is_signed( $request ) {
		$key  = Hakam_Settings::signing_key( Hakam_Settings::get( 'webhook_secret' ) );
		$id   = (string) $request->get_header( 'webhook-id' );
		$time = (string) $request->get_header( 'webhook-timestamp' );
		$body = (string) $request->get_body();
		$bad  = new WP_Error( 'hakam_unsigned', __( 'The message is not signed by Hakam.', 'hakam' ), array( 'status' => 401 ) );
		if ( '' === $key || '' === $id || strlen( $body ) > self::MAX_BYTES ) {
			return $bad;
		}
		if ( ! preg_match( '/^\d{1,12}$/D', $time ) || abs( time() - (int) $time ) > self::WINDOW_SECONDS ) {
			return $bad;
		}
		$expected = base64_encode( hash_hmac( 'sha256', $id . '.' . $time . '.' . $body, $key, true ) ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- the form of the signature.
		foreach ( array_slice( explode( ' ', (string) $request->get_header( 'webhook-signature' ) ), 0, 10 ) as $signature ) {
			if ( hash_equals( 'v1,' . $expected, $signature ) ) {
				return true;
			}
		}
		return $bad;
	}

	/**
	 * Does what a message says.
	 *
	 * @param WP_REST_Request $request A signed request.
	 * @return WP_REST_Response|WP_Error
	 */
	public static function receive( $request ) {
		$message = json_decode( (string) $request->get_body(), true );
		$type    = $message['type'] ?? '';
		$data    = $message['data'] ?? array();
		if ( ! is_string( $type ) || ! is_array( $data ) ) {
			return new WP_Error( 'hakam_message', __( 'The message cannot be read.', 'hakam' ), array( 'status' => 400 ) );
		}
		if ( 'decision.recorded' !== $type && 'decision.undone' !== $type ) {
			return self::done( 'nothing to do' );
		}
		$place   = $data['decision_id'] ?? '';
		$comment = self::comment( $data['comment_id'] ?? '' );
		$known   = $comment ? Hakam_Comments::known( (int) $comment->comment_ID ) : array();
		if ( ! $known || ! self::is_place( $place ) ) {
			return self::done( 'unknown here' );
		}
		if ( self::is_place( $known['decision'] ?? '' ) && self::compare( $place, $known['decision'] ) <= 0 ) {
			return self::done( 'known already' );
		}
		if ( Hakam_Outbox::find( (int) $comment->comment_ID, 'decision' ) ) {
			return self::done( 'decided here' );
		}
		if ( Hakam_Comments::digest( $comment ) !== ( $data['content_digest'] ?? '' ) ) {
			return self::done( 'of another text' );
		}
		$action = 'decision.undone' === $type ? 'undo' : ( $data['action'] ?? '' );
		if ( ! in_array( $action, array( 'approve', 'reject', 'undo' ), true ) ) {
			return self::done( 'nothing to do' );
		}
		$known['state']    = Hakam_Comments::STATES[ $action ] ?? 'waiting';
		$known['by']       = 'hakam';
		$known['decision'] = $place;
		$known['digest']   = $data['content_digest'];
		Hakam_Outbox::remove( (int) $comment->comment_ID, 'comment' );
		if ( false !== wp_get_comment_status( $comment ) ) { // Else it went with its post.
			Hakam_Comments::apply( $comment, $action, true );
		}
		Hakam_Comments::remember( (int) $comment->comment_ID, $known );
		return self::done( 'done' );
	}

	/**
	 * Returns the comment of an id of ours.
	 *
	 * @param mixed $id Of a message.
	 * @return WP_Comment|null
	 */
	private static function comment( $id ) {
		return is_string( $id ) && preg_match( '/^[1-9]\d{0,18}$/D', $id ) ? get_comment( (int) $id ) : null;
	}

	/**
	 * Tells whether something is a place in Hakam's stream: milliseconds, a dash and a number.
	 *
	 * @param mixed $place Of a message.
	 * @return bool
	 */
	private static function is_place( $place ) {
		return is_string( $place ) && preg_match( '/^\d{1,19}-\d{1,19}$/D', $place );
	}

	/**
	 * Compares two places in Hakam's stream.
	 *
	 * @param string $one   A place.
	 * @param string $other Another.
	 * @return int Below 0 where one comes first, 0 where they are the same.
	 */
	private static function compare( $one, $other ) {
		$key = static function ( $place ) {
			list( $time, $number ) = explode( '-', $place );
			return str_pad( $time, 19, '0', STR_PAD_LEFT ) . str_pad( $number, 19, '0', STR_PAD_LEFT );
		};
		return strcmp( $key( $one ), $key( $other ) );
	}

	/**
	 * Answers that a message need not come again.
	 *
	 * @param string $what What became of it.
	 * @return WP_REST_Response
	 */
	private static function done( $what ) {
		return new WP_REST_Response( array( 'message' => $what ), 200 );
	}
}
