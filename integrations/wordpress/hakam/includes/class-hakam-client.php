<?php
/**
 * HTTP client of Hakam: one request, two seconds, and whether the answer can be relied on.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Asks Hakam, and remembers since when it does not answer.
 */
final class Hakam_Client {

	const TIMEOUT_SECONDS  = 2;
	const MAX_ANSWER_BYTES = 1048576;
	const PAUSE_SECONDS    = 30; // For which no reader waits for a Hakam that did not answer.

	const HEALTH = 'hakam_health';

	/**
	 * Sends a body.
	 *
	 * @param string $path Of the route, as /v1/comments.
	 * @param array  $body What to send.
	 * @return array|WP_Error What was answered with 2xx. Else an error whose code is `hakam_refused`
	 *                        where the same body would always be refused, `hakam_conflict` where it
	 *                        contradicts what is stored, and `hakam_no_answer` where it is worth
	 *                        sending it again.
	 */
	public static function post( $path, array $body ) {
		$json = wp_json_encode( $body, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES );
		if ( false === $json ) {
			return new WP_Error( 'hakam_refused', __( 'The comment cannot be written as JSON.', 'hakam' ) );
		}
		$answer = wp_remote_post(
			Hakam_Settings::get( 'url' ) . $path,
			array(
				'timeout'             => self::TIMEOUT_SECONDS,
				'redirection'         => 0,
				'limit_response_size' => self::MAX_ANSWER_BYTES,
				'user-agent'          => 'Hakam-WordPress/' . HAKAM_PLUGIN_VERSION,
				'headers'             => array(
					'Authorization' => 'Bearer ' . Hakam_Settings::get( 'site_key' ),
					'Content-Type'  => 'application/json',
					'Accept'        => 'application/json',
				),
				'body'                => $json,
			)
		);
		$result = self::understood( $answer, $path );
		self::note( $result );
		return $result;
	}

	/**
	 * Tells whether Hakam has just failed to answer, so that a reader need not wait for it.
	 *
	 * @return bool
	 */
	public static function is_away() {
		$health = self::health();
		return isset( $health['at'] ) && $health['at'] > time() - self::PAUSE_SECONDS;
	}

	/**
	 * Returns since when Hakam does not answer (`since`, `at`, `why`); empty while it does.
	 *
	 * @return array
	 */
	public static function health() {
		$health = get_option( self::HEALTH );
		return is_array( $health ) ? $health : array();
	}

	/**
	 * Reads an answer. No words of the server come further than this.
	 *
	 * @param array|WP_Error $answer Of wp_remote_post.
	 * @param string         $path   Of the route.
	 * @return array|WP_Error
	 */
	private static function understood( $answer, $path ) {
		if ( is_wp_error( $answer ) ) {
			return new WP_Error( 'hakam_no_answer', __( 'Hakam did not answer.', 'hakam' ) );
		}
		$status = (int) wp_remote_retrieve_response_code( $answer );
		if ( 200 === $status || 202 === $status ) {
			$body = json_decode( wp_remote_retrieve_body( $answer ), true );
			return is_array( $body )
				? $body
				: new WP_Error( 'hakam_no_answer', __( 'What answered is not Hakam.', 'hakam' ) );
		}
		if ( 401 === $status || 403 === $status ) {
			return new WP_Error( 'hakam_no_answer', __( 'Hakam does not know the site key.', 'hakam' ) );
		}
		$type = (string) wp_remote_retrieve_header( $answer, 'content-type' );
		if ( 0 !== strpos( $type, 'application/problem+json' ) ) {
			return new WP_Error( 'hakam_no_answer', __( 'What answered is not Hakam.', 'hakam' ) );
		}
		if ( in_array( $status, array( 400, 413, 422 ), true ) ) {
			return new WP_Error( 'hakam_refused', __( 'Hakam could not read the comment.', 'hakam' ) );
		}
		if ( 409 === $status || ( 404 === $status && '/v1/comments/withdraw' === $path ) ) {
			return new WP_Error( 'hakam_conflict', __( 'Hakam knows otherwise.', 'hakam' ) );
		}
		$wait = (string) wp_remote_retrieve_header( $answer, 'retry-after' );
		return new WP_Error(
			'hakam_no_answer',
			429 === $status ? __( 'Hakam gets too many requests.', 'hakam' ) : __( 'Hakam is not ready.', 'hakam' ),
			array( 'wait' => ctype_digit( $wait ) ? min( (int) $wait, HOUR_IN_SECONDS ) : 0 )
		);
	}

	/**
	 * Remembers since when Hakam does not answer, for the people in charge.
	 *
	 * @param array|WP_Error $result What was understood.
	 */
	private static function note( $result ) {
		$health = self::health();
		if ( is_wp_error( $result ) && 'hakam_no_answer' === $result->get_error_code() ) {
			$now = time();
			update_option(
				self::HEALTH,
				array(
					'since' => $health['since'] ?? $now,
					'at'    => $now,
					'why'   => $result->get_error_message(),
				),
				false
			);
		} elseif ( $health ) {
			delete_option( self::HEALTH );
		}
	}
}
