<?php
/**
 * Moderators of WordPress: what they approve, mark as spam or put into the trash goes to Hakam as a
 * decision, because the site has the last word.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Notices what people decide here.
 */
final class Hakam_Moderators {

	const ACTIONS = array(
		'approved' => array( 'action' => 'approve' ),
		'spam'     => array(
			'action' => 'reject',
			'reason' => 'spam',
		),
		'trash'    => array( 'action' => 'reject' ),
	);

	/**
	 * Listens.
	 */
	public static function register() {
		add_action( 'transition_comment_status', array( __CLASS__, 'moved' ), 10, 3 );
	}

	/**
	 * Tells whether the person of this request may decide about a comment.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return bool
	 */
	public static function may_decide( $comment ) {
		return is_user_logged_in() && current_user_can( 'edit_comment', (int) $comment->comment_ID );
	}

	/**
	 * Notices that a person has moved a comment from one status to another.
	 *
	 * @param string     $status  Now.
	 * @param string     $before  Before.
	 * @param WP_Comment $comment The comment.
	 */
	public static function moved( $status, $before, $comment ) {
		if ( $status !== $before && ! Hakam_Comments::is_applying() && self::may_decide( $comment ) ) {
			self::decided( $comment, $status );
		}
	}

	/**
	 * Lets Hakam know of a decision, if it has heard of the comment. Who only holds a comment again
	 * has not decided: a decision that was not told yet is not told any more.
	 *
	 * @param WP_Comment $comment The comment.
	 * @param string     $status  approved, unapproved, spam or trash.
	 */
	public static function decided( $comment, $status ) {
		$comment_id = (int) $comment->comment_ID;
		$known      = Hakam_Comments::known( $comment_id );
		if ( ! $known || ! Hakam_Settings::is_ready() ) {
			return;
		}
		if ( ! isset( self::ACTIONS[ $status ] ) ) {
			Hakam_Outbox::remove( $comment_id, 'decision' );
			return;
		}
		$decision = self::ACTIONS[ $status ] + array( 'moderator' => wp_get_current_user()->user_login );
		Hakam_Outbox::remove( $comment_id, 'comment' ); // The decision brings the comment along.
		Hakam_Outbox::add( $comment_id, 'decision', $decision );
		$known['state'] = Hakam_Comments::STATES[ $decision['action'] ];
		$known['by']    = 'site';
		Hakam_Comments::remember( $comment_id, $known );
	}

	/**
	 * Keeps the place of a decision in Hakam's stream, so that nothing older is done any more.
	 *
	 * @param int            $comment_id The comment.
	 * @param string         $action     What was told.
	 * @param array|WP_Error $answer     Of Hakam.
	 */
	public static function answered( $comment_id, $action, $answer ) {
		$decision = is_array( $answer ) ? ( $answer['decision'] ?? array() ) : array();
		$known    = Hakam_Comments::known( $comment_id );
		if ( $known && is_string( $decision['id'] ?? null ) && ( $decision['action'] ?? '' ) === $action ) {
			$known['decision'] = $decision['id'];
			$known['digest']   = (string) ( $decision['content_digest'] ?? '' );
			Hakam_Comments::remember( $comment_id, $known );
		}
	}
}
