<?php
/**
 * New comments: held until Hakam has answered, then published, held or rejected.
 *
 * A comment is stored as held before Hakam is asked, so that whatever happens meanwhile, nothing is
 * published that nobody has seen.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Sends comments, and does with them what was answered.
 */
final class Hakam_Comments {

	/**
	 * What is known of a comment, as comment meta: `state` (unsent, unreadable, given_up, waiting,
	 * approved, rejected), `by` (policy, hakam, site), `digest` of what was judged, `wordpress` (what
	 * WordPress alone would have done), `label`, `field`, `reason`, `scores`, `evidence`, `decision`
	 * (place of the last one in Hakam's stream).
	 */
	const META = '_hakam';

	const MAX_EVIDENCE = 50;

	const STATES = array(
		'approve' => 'approved',
		'reject'  => 'rejected',
	);

	/**
	 * The comment that is about to be stored: its post, and what WordPress alone would do with it.
	 *
	 * @var array|null
	 */
	private static $expected = null;

	/**
	 * How many changes of status under way are ours, and no person's.
	 *
	 * @var int
	 */
	private static $n_applying = 0;

	/**
	 * Listens.
	 */
	public static function register() {
		add_filter( 'pre_comment_approved', array( __CLASS__, 'held' ), PHP_INT_MAX, 2 );
		add_action( 'wp_insert_comment', array( __CLASS__, 'inserted' ), 1, 2 );
		add_action( 'edit_comment', array( __CLASS__, 'edited' ), 10, 1 );
		add_action( 'delete_comment', array( __CLASS__, 'deleted' ), 10, 1 );
	}

	/**
	 * Holds a comment that is about to be stored. What WordPress or another plugin has rejected, and
	 * what a moderator writes, is left alone.
	 *
	 * @param int|string|WP_Error $approved What WordPress would do.
	 * @param array               $data     The comment.
	 * @return int|string|WP_Error
	 */
	public static function held( $approved, $data ) {
		self::$expected = null;
		if ( is_wp_error( $approved ) || ! in_array( (string) $approved, array( '0', '1' ), true ) ) {
			return $approved;
		}
		$user_id = (int) ( $data['user_id'] ?? $data['user_ID'] ?? 0 );
		if ( ! Hakam_Settings::is_ready() || ( $user_id && user_can( $user_id, 'moderate_comments' ) ) ) {
			return $approved;
		}
		self::$expected = array(
			'post'      => (int) ( $data['comment_post_ID'] ?? 0 ),
			'wordpress' => (int) $approved,
		);
		return 0;
	}

	/**
	 * Asks Hakam about the comment that was held.
	 *
	 * @param int        $comment_id The comment.
	 * @param WP_Comment $comment    The comment.
	 */
	public static function inserted( $comment_id, $comment ) {
		$expected = self::$expected;
		if ( ! $expected || (int) $comment->comment_post_ID !== $expected['post'] ) {
			return;
		}
		self::$expected = null;
		$status         = wp_get_comment_status( $comment );
		if ( 'approved' === $status ) { // Another plugin had its say after us.
			self::set_status( $comment, 'hold' );
		} elseif ( 'unapproved' !== $status ) {
			return;
		}
		self::remember(
			$comment_id,
			array(
				'state'     => 'unsent',
				'wordpress' => $expected['wordpress'],
			)
		);
		// The author of the post is told by WordPress itself, right after this.
		$is_told = ! ( defined( 'REST_REQUEST' ) && REST_REQUEST );
		if ( $is_told ) {
			add_filter( 'notify_post_author', '__return_false', 1000 );
		}
		Hakam_Outbox::add( $comment_id, 'comment' );
		Hakam_Outbox::send_now( $comment_id );
		if ( $is_told ) {
			remove_filter( 'notify_post_author', '__return_false', 1000 );
		}
	}

	/**
	 * Follows an edit. What a person who may moderate has written, and left published or rejected,
	 * is that person's decision; any other change is judged anew, and held until then.
	 *
	 * @param int $comment_id The comment.
	 */
	public static function edited( $comment_id ) {
		$comment = get_comment( $comment_id );
		$known   = self::known( $comment_id );
		if ( ! $comment || self::$n_applying || ! Hakam_Settings::is_ready() || self::digest( $comment ) === ( $known['digest'] ?? '' ) ) {
			return;
		}
		$status = wp_get_comment_status( $comment );
		if ( Hakam_Moderators::may_decide( $comment ) ) {
			if ( $known && 'unapproved' !== $status ) {
				Hakam_Moderators::decided( $comment, $status );
			} elseif ( $known ) {
				self::judge_anew( $comment, $known );
			}
		} elseif ( in_array( $status, array( 'approved', 'unapproved' ), true ) ) {
			if ( 'approved' === $status ) {
				self::set_status( $comment, 'hold' );
			}
			self::judge_anew( $comment, $known );
			Hakam_Outbox::send_now( $comment_id );
		}
	}

	/**
	 * Lets Hakam judge a comment that has another text than before.
	 *
	 * @param WP_Comment $comment The comment.
	 * @param array      $known   What is known of it.
	 */
	private static function judge_anew( $comment, array $known ) {
		self::remember(
			(int) $comment->comment_ID,
			array(
				'state'     => 'unsent',
				'wordpress' => $known['wordpress'] ?? 1,
				'decision'  => $known['decision'] ?? '',
			)
		);
		Hakam_Outbox::remove( (int) $comment->comment_ID, 'decision' );
		Hakam_Outbox::add( (int) $comment->comment_ID, 'comment' );
	}

	/**
	 * Follows a deletion.
	 *
	 * @param int $comment_id The comment.
	 */
	public static function deleted( $comment_id ) {
		if ( self::known( $comment_id ) ) {
			Hakam_Outbox::remove( $comment_id );
			Hakam_Outbox::add( $comment_id, 'withdraw' );
		}
	}

	/**
	 * Does with a comment what Hakam has answered, while it is still held and nobody has decided.
	 *
	 * @param int            $comment_id The comment.
	 * @param array|WP_Error $answer     Of Hakam.
	 */
	public static function answered( $comment_id, $answer ) {
		$comment = get_comment( $comment_id );
		if ( ! $comment ) {
			return;
		}
		$known = self::known( $comment_id );
		if ( is_wp_error( $answer ) ) {
			$known['state'] = 'hakam_no_answer' === $answer->get_error_code() ? 'given_up' : 'unreadable';
			self::remember( $comment_id, $known );
			return;
		}
		$action = $answer['action'] ?? '';
		if ( ! in_array( $action, array( 'approve', 'review', 'reject' ), true ) || self::digest( $comment ) !== ( $answer['content_digest'] ?? '' ) ) {
			$known['state'] = 'unreadable'; // It stays held: this is no verdict on this comment.
			self::remember( $comment_id, $known );
			return;
		}
		$decision = $answer['decision']['decision_id'] ?? '';
		self::remember(
			$comment_id,
			array_merge(
				$known,
				self::verdict( $answer ),
				array(
					'state'    => self::STATES[ $action ] ?? 'waiting',
					'by'       => 'decided' === ( $answer['reason'] ?? '' ) ? 'hakam' : 'policy',
					'digest'   => $answer['content_digest'],
					'decision' => is_string( $decision ) && '' !== $decision ? $decision : ( $known['decision'] ?? '' ),
				)
			)
		);
		if ( 'unapproved' === wp_get_comment_status( $comment ) ) {
			self::apply( $comment, $action );
		}
	}

	/**
	 * Returns what is kept of a verdict: plain values, and few of them.
	 *
	 * @param array $answer Of Hakam.
	 * @return array
	 */
	private static function verdict( array $answer ) {
		$scores = array();
		foreach ( (array) ( $answer['scores'] ?? array() ) as $label => $score ) {
			if ( is_numeric( $score ) && preg_match( '/^[a-z_]{1,40}$/D', (string) $label ) ) {
				$scores[ $label ] = round( (float) $score, 4 );
			}
		}
		$evidence = array();
		foreach ( (array) ( $answer['evidence'] ?? array() ) as $part ) {
			if ( is_array( $part ) && is_int( $part['start'] ?? null ) && is_int( $part['end'] ?? null ) && count( $evidence ) < self::MAX_EVIDENCE ) {
				$evidence[] = array( 'author.name' === ( $part['field'] ?? '' ) ? 'name' : 'text', $part['start'], $part['end'] );
			}
		}
		return array(
			'label'    => sanitize_key( $answer['label'] ?? '' ),
			'field'    => 'author.name' === ( $answer['field'] ?? '' ) ? 'name' : 'text',
			'reason'   => sanitize_key( $answer['reason'] ?? '' ),
			'scores'   => $scores,
			'evidence' => $evidence,
		);
	}

	/**
	 * Publishes, rejects or holds a comment.
	 *
	 * @param WP_Comment $comment The comment.
	 * @param string     $action  approve, reject or undo; review changes nothing.
	 * @param bool       $person  Whether a person has decided, and not a policy.
	 */
	public static function apply( $comment, $action, $person = false ) {
		if ( 'approve' === $action ) {
			$known = self::known( (int) $comment->comment_ID );
			if ( $person || Hakam_Settings::get( 'publish_approved' ) || ( $known['wordpress'] ?? 1 ) ) {
				self::set_status( $comment, 'approve' );
			}
		} elseif ( 'reject' === $action ) {
			self::set_status( $comment, Hakam_Settings::get( 'on_reject' ) );
		} elseif ( 'undo' === $action ) {
			self::set_status( $comment, 'hold' );
		}
	}

	/**
	 * Changes the status of a comment, as Hakam and not as a person.
	 *
	 * @param WP_Comment $comment The comment.
	 * @param string     $status  approve, hold, spam or trash.
	 */
	private static function set_status( $comment, $status ) {
		$names = array(
			'approve' => 'approved',
			'hold'    => 'unapproved',
		);
		if ( wp_get_comment_status( $comment ) === ( $names[ $status ] ?? $status ) ) {
			return;
		}
		++self::$n_applying;
		try {
			if ( 'spam' === $status ) {
				wp_spam_comment( $comment );
			} elseif ( 'trash' === $status && EMPTY_TRASH_DAYS ) {
				wp_trash_comment( $comment );
			} else { // Without a trash, wp_trash_comment would delete what may still be appealed.
				wp_set_comment_status( $comment, $status );
			}
		} finally {
			--self::$n_applying;
		}
	}

	/**
	 * Tells whether the change of status under way is ours.
	 *
	 * @return bool
	 */
	public static function is_applying() {
		return self::$n_applying > 0;
	}

	/**
	 * Returns what is known of a comment.
	 *
	 * @param int $comment_id The comment.
	 * @return array Empty where Hakam never heard of it.
	 */
	public static function known( $comment_id ) {
		$known = get_comment_meta( $comment_id, self::META, true );
		return is_array( $known ) ? $known : array();
	}

	/**
	 * Keeps what is known of a comment.
	 *
	 * @param int   $comment_id The comment.
	 * @param array $known      See META.
	 */
	public static function remember( $comment_id, array $known ) {
		update_comment_meta( $comment_id, self::META, $known );
	}

	/**
	 * Returns the text of a comment, as Hakam reads it.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return string
	 */
	public static function text( $comment ) {
		return Hakam_Text::plain( $comment->comment_content );
	}

	/**
	 * Returns the display name of a comment, as Hakam reads it.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return string
	 */
	public static function name( $comment ) {
		return Hakam_Text::clip( Hakam_Text::plain( $comment->comment_author ), 512 );
	}

	/**
	 * Returns the digest of a comment as it is now.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return string
	 */
	public static function digest( $comment ) {
		return Hakam_Text::digest( self::text( $comment ), self::name( $comment ) );
	}

	/**
	 * Describes a comment for Hakam. Neither mail nor IP address of its author leaves the site.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return array
	 */
	public static function described( $comment ) {
		$post   = get_post( (int) $comment->comment_post_ID );
		$parent = $comment->comment_parent ? get_comment( $comment->comment_parent ) : null;
		$url    = $post ? (string) get_permalink( $post ) : '';
		$told   = array(
			'id'     => (string) $comment->comment_ID,
			'text'   => self::text( $comment ),
			'author' => array(
				'id'   => self::author_id( $comment ),
				'name' => self::name( $comment ),
			),
		);
		if ( $post ) {
			$told['article'] = array(
				'id'    => 'post-' . $post->ID,
				'url'   => strlen( $url ) <= 2048 && preg_match( '/^https?:/i', $url ) ? $url : '',
				'title' => Hakam_Text::clip( Hakam_Text::plain( get_the_title( $post ) ), 1000 ),
			);
		}
		if ( $parent ) {
			$told['parent'] = array(
				'id'   => (string) $parent->comment_ID,
				'text' => Hakam_Text::fitting( self::text( $parent ) ),
			);
		}
		if ( preg_match( '/^[12]\d{3}-/', $comment->comment_date_gmt ) ) {
			$told['created_at'] = str_replace( ' ', 'T', $comment->comment_date_gmt ) . 'Z';
		}
		return $told;
	}

	/**
	 * Returns an id of an author: the account's, else a digest of the mail address that only this
	 * site can make; empty where there is neither.
	 *
	 * @param WP_Comment $comment The comment.
	 * @return string
	 */
	private static function author_id( $comment ) {
		if ( $comment->user_id ) {
			return 'user-' . $comment->user_id;
		}
		$mail = strtolower( trim( $comment->comment_author_email ) );
		return '' === $mail ? '' : 'guest-' . substr( hash_hmac( 'sha256', $mail, wp_salt( 'auth' ) ), 0, 32 );
	}
}
