<?php
/**
 * Outbox: what Hakam is still to be told, sent again by WP-Cron with back-off.
 *
 * A table of its own, with at most one row for each comment and kind: a `comment` that has no
 * verdict yet, a `decision` that was taken in WordPress, a `withdraw` of a comment that was deleted.
 * A row leaves the table when Hakam has answered, or after MAX_TRIES, some two and a half days.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Keeps the rows, and sends those that are due.
 */
final class Hakam_Outbox {

	const EVENT      = 'hakam_send';
	const EVERY      = 'hakam_minute';
	const VERSION    = 'hakam_db_version';
	const DB_VERSION = '1';

	const BACK_OFF_SECONDS = array( 60, 120, 300, 900, 1800, 3600, 10800, 21600 ); // The last one goes on.
	const MAX_TRIES        = 16;
	const HOLD_SECONDS     = 60; // Who sends a row has it alone for so long.
	const MAX_ROWS         = 100; // Of one run of WP-Cron.
	const MAX_RUN_SECONDS  = 25;
	const MAX_WAIT_SECONDS = 2; // At the end of a page.

	/**
	 * Rows that this request put in, as [comment id, kind].
	 *
	 * @var array
	 */
	private static $added = array();

	/**
	 * Listens.
	 */
	public static function register() {
		add_filter( 'cron_schedules', array( __CLASS__, 'with_minute' ) ); // phpcs:ignore WordPress.WP.CronInterval -- a held comment should not wait for an hour.
		add_action( self::EVENT, array( __CLASS__, 'run' ) );
		add_action( 'init', array( __CLASS__, 'install_if_new' ) );
		add_action( 'shutdown', array( __CLASS__, 'send_added' ) );
	}

	/**
	 * Adds the interval of a minute.
	 *
	 * @param array $schedules Of WP-Cron.
	 * @return array
	 */
	public static function with_minute( $schedules ) {
		$schedules[ self::EVERY ] = array(
			'interval' => MINUTE_IN_SECONDS,
			'display'  => __( 'Every minute (Hakam)', 'hakam' ),
		);
		return $schedules;
	}

	/**
	 * Returns the name of the table.
	 *
	 * @return string
	 */
	public static function table() {
		global $wpdb;
		return $wpdb->prefix . 'hakam_outbox';
	}

	/**
	 * Makes the table, and lets WP-Cron send.
	 */
	public static function install() {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$table   = self::table();
		$collate = $wpdb->get_charset_collate();
		dbDelta(
			"CREATE TABLE $table (
				comment_id bigint(20) unsigned NOT NULL,
				kind varchar(16) NOT NULL,
				action varchar(16) NOT NULL DEFAULT '',
				reason varchar(16) NOT NULL DEFAULT '',
				moderator varchar(60) NOT NULL DEFAULT '',
				request_id varchar(36) NOT NULL,
				tries smallint(5) unsigned NOT NULL DEFAULT 0,
				due bigint(20) unsigned NOT NULL,
				PRIMARY KEY  (comment_id, kind),
				KEY due (due)
			) $collate;"
		);
		update_option( self::VERSION, self::DB_VERSION );
		self::schedule();
	}

	/**
	 * Makes the table where a site of a network, or a newer version, has none yet.
	 */
	public static function install_if_new() {
		if ( self::DB_VERSION !== get_option( self::VERSION ) ) {
			self::install();
		} elseif ( is_admin() || wp_doing_cron() ) {
			self::schedule();
		}
	}

	/**
	 * Lets WP-Cron send every minute.
	 */
	private static function schedule() {
		if ( ! wp_next_scheduled( self::EVENT ) ) {
			wp_schedule_event( time() + MINUTE_IN_SECONDS, self::EVERY, self::EVENT );
		}
	}

	/**
	 * Takes the event out of WP-Cron.
	 */
	public static function unschedule() {
		wp_clear_scheduled_hook( self::EVENT );
	}

	/**
	 * Puts a row in, in place of an earlier one of this comment and kind. It is sent at the end of
	 * this request, else by WP-Cron.
	 *
	 * @param int    $comment_id The comment.
	 * @param string $kind       comment, decision or withdraw.
	 * @param array  $facts      action, reason, moderator.
	 */
	public static function add( $comment_id, $kind, array $facts = array() ) {
		global $wpdb;
		$wpdb->replace(
			self::table(),
			array(
				'comment_id' => $comment_id,
				'kind'       => $kind,
				'action'     => $facts['action'] ?? '',
				'reason'     => $facts['reason'] ?? '',
				'moderator'  => $facts['moderator'] ?? '',
				'request_id' => wp_generate_uuid4(),
				'due'        => time() + self::HOLD_SECONDS,
			)
		);
		self::$added[ $comment_id . ' ' . $kind ] = array( (int) $comment_id, $kind );
	}

	/**
	 * Takes rows of a comment out.
	 *
	 * @param int    $comment_id The comment.
	 * @param string $kind       Which; all where it is empty.
	 */
	public static function remove( $comment_id, $kind = '' ) {
		global $wpdb;
		$where = array( 'comment_id' => $comment_id );
		$wpdb->delete( self::table(), '' === $kind ? $where : $where + array( 'kind' => $kind ) );
	}

	/**
	 * Returns a row; null where there is none.
	 *
	 * @param int    $comment_id The comment.
	 * @param string $kind       Of the row.
	 * @return object|null
	 */
	public static function find( $comment_id, $kind ) {
		global $wpdb;
		$table = self::table();
		return $wpdb->get_row( // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- our own table.
			$wpdb->prepare( "SELECT * FROM $table WHERE comment_id = %d AND kind = %s", $comment_id, $kind ) // phpcs:ignore WordPress.DB.PreparedSQL -- the name of the table.
		);
	}

	/**
	 * Sends what is due, the longest due first, until Hakam does not answer.
	 */
	public static function run() {
		global $wpdb;
		if ( ! Hakam_Settings::is_ready() ) {
			return;
		}
		$table = self::table();
		$rows  = $wpdb->get_results( // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- our own table.
			$wpdb->prepare( "SELECT * FROM $table WHERE due <= %d ORDER BY due LIMIT %d", time(), self::MAX_ROWS ) // phpcs:ignore WordPress.DB.PreparedSQL -- the name of the table.
		);
		$until = microtime( true ) + self::MAX_RUN_SECONDS;
		foreach ( $rows as $row ) {
			if ( ! self::send( $row ) || microtime( true ) > $until ) {
				return;
			}
		}
	}

	/**
	 * Sends what this request put in, as long as nobody waits for it.
	 */
	public static function send_added() {
		$added       = self::$added;
		self::$added = array();
		if ( ! $added || ! Hakam_Settings::is_ready() || Hakam_Client::is_away() ) {
			return;
		}
		$until = microtime( true ) + self::MAX_WAIT_SECONDS;
		foreach ( $added as list( $comment_id, $kind ) ) {
			$row = self::find( $comment_id, $kind );
			if ( $row && ( ! self::send( $row ) || microtime( true ) > $until ) ) {
				return;
			}
		}
	}

	/**
	 * Sends the row of a new comment now, where nobody else does.
	 *
	 * @param int $comment_id The comment.
	 */
	public static function send_now( $comment_id ) {
		unset( self::$added[ $comment_id . ' comment' ] );
		$row = Hakam_Client::is_away() ? null : self::find( $comment_id, 'comment' );
		if ( $row ) {
			self::send( $row );
		}
	}

	/**
	 * Sends a row, if nobody else does at the same time.
	 *
	 * @param object $row Of the table.
	 * @return bool False where Hakam does not answer.
	 */
	private static function send( $row ) {
		global $wpdb;
		$table   = self::table();
		$claimed = $wpdb->query( // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- our own table.
			$wpdb->prepare(
				"UPDATE $table SET due = %d, tries = tries + 1 WHERE comment_id = %d AND kind = %s AND request_id = %s AND tries = %d", // phpcs:ignore WordPress.DB.PreparedSQL -- the name of the table.
				time() + self::HOLD_SECONDS,
				$row->comment_id,
				$row->kind,
				$row->request_id,
				$row->tries
			)
		);
		if ( 1 !== $claimed ) {
			return true;
		}
		$n_tries  = 1 + (int) $row->tries;
		$this_one = array(
			'comment_id' => $row->comment_id,
			'kind'       => $row->kind,
			'request_id' => $row->request_id, // A later row of this kind stays.
		);
		$result  = self::tell( $row );
		$is_away = is_wp_error( $result ) && 'hakam_no_answer' === $result->get_error_code();
		if ( $is_away && $n_tries < self::MAX_TRIES ) {
			$data = $result->get_error_data();
			$wait = self::BACK_OFF_SECONDS[ min( $n_tries, count( self::BACK_OFF_SECONDS ) ) - 1 ];
			$wpdb->update( self::table(), array( 'due' => time() + max( $wait, (int) ( $data['wait'] ?? 0 ) ) ), $this_one );
			return false;
		}
		$deleted = $wpdb->delete( self::table(), $this_one );
		if ( 1 === $deleted ) { // Else something newer was put in meanwhile, and is still to be told.
			if ( 'comment' === $row->kind ) {
				Hakam_Comments::answered( (int) $row->comment_id, $result );
			} elseif ( 'decision' === $row->kind ) {
				Hakam_Moderators::answered( (int) $row->comment_id, $row->action, $result );
			}
		}
		return ! $is_away;
	}

	/**
	 * Tells Hakam what a row is about, as it is now.
	 *
	 * @param object $row Of the table.
	 * @return array|WP_Error
	 */
	private static function tell( $row ) {
		if ( 'withdraw' === $row->kind ) {
			return Hakam_Client::post( '/v1/comments/withdraw', array( 'id' => (string) $row->comment_id ) );
		}
		$comment = get_comment( $row->comment_id );
		if ( ! $comment ) {
			return array(); // Its deletion is told by a row of its own.
		}
		$told = Hakam_Comments::described( $comment );
		if ( 'comment' === $row->kind ) {
			return Hakam_Client::post( '/v1/comments', $told );
		}
		return Hakam_Client::post(
			'/v1/decisions/external',
			array(
				'comment'    => $told,
				'action'     => $row->action,
				'reason'     => $row->reason,
				'moderator'  => '' === $row->moderator ? 'wordpress' : $row->moderator,
				'request_id' => $row->request_id,
			)
		);
	}
}
