<?php
/**
 * Comment list of wp-admin: a column that says why Hakam holds, published or rejected a comment.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * The column, and a notice while Hakam does not answer.
 */
final class Hakam_Comment_List {

	const WORTH_A_LOOK = 0.33; // The score from which a label is shown.
	const MAX_LABELS   = 4;

	/**
	 * Listens.
	 */
	public static function register() {
		add_filter( 'manage_edit-comments_columns', array( __CLASS__, 'with_column' ) );
		add_action( 'manage_comments_custom_column', array( __CLASS__, 'show' ), 10, 2 );
		add_action( 'admin_enqueue_scripts', array( __CLASS__, 'enqueue' ) );
		add_action( 'admin_notices', array( __CLASS__, 'notice' ) );
	}

	/**
	 * Adds the column, behind the text of the comment.
	 *
	 * @param array $columns Of the list.
	 * @return array
	 */
	public static function with_column( $columns ) {
		$found = array();
		foreach ( $columns as $name => $title ) {
			$found[ $name ] = $title;
			if ( 'comment' === $name ) {
				$found['hakam'] = __( 'Hakam', 'hakam' );
			}
		}
		return isset( $found['hakam'] ) ? $found : $columns + array( 'hakam' => __( 'Hakam', 'hakam' ) );
	}

	/**
	 * Loads the style where it is needed.
	 *
	 * @param string $page Of wp-admin.
	 */
	public static function enqueue( $page ) {
		if ( 'edit-comments.php' === $page || 'settings_page_' . Hakam_Settings_Page::SLUG === $page ) {
			wp_enqueue_style( 'hakam', plugins_url( 'assets/admin.css', HAKAM_PLUGIN_FILE ), array(), HAKAM_PLUGIN_VERSION );
		}
	}

	/**
	 * Tells who works on comments that Hakam is not asked, or does not answer.
	 */
	public static function notice() {
		$screen = get_current_screen();
		$shown  = array( 'edit-comments', 'settings_page_' . Hakam_Settings_Page::SLUG );
		if ( ! $screen || ! in_array( $screen->id, $shown, true ) || ! current_user_can( 'moderate_comments' ) ) {
			return;
		}
		$health = Hakam_Client::health();
		if ( ! Hakam_Settings::is_ready() ) {
			$words = __( 'Hakam is not connected: it reads no comments. Enter its address and the site key under Settings, Hakam.', 'hakam' );
		} elseif ( $health ) {
			$words = sprintf(
				/* translators: 1: what is wrong, 2: a time span, as "5 mins". */
				__( '%1$s For %2$s new comments have been held here; they are sent again by themselves.', 'hakam' ),
				(string) ( $health['why'] ?? '' ),
				human_time_diff( (int) ( $health['since'] ?? time() ) )
			);
		} else {
			return;
		}
		printf( '<div class="notice notice-warning"><p>%s</p></div>', esc_html( $words ) );
	}

	/**
	 * Shows the column of a comment.
	 *
	 * @param string $column     Its name.
	 * @param int    $comment_id The comment.
	 */
	public static function show( $column, $comment_id ) {
		$known = 'hakam' === $column ? Hakam_Comments::known( $comment_id ) : array();
		if ( ! $known ) {
			return;
		}
		$comment = get_comment( $comment_id );
		printf( '<p class="hakam-state hakam-%s">%s</p>', esc_attr( $known['state'] ?? '' ), esc_html( self::state( $known ) ) );
		$why = self::why( $known );
		if ( '' !== $why ) {
			printf( '<p class="hakam-why">%s</p>', esc_html( $why ) );
		}
		echo self::labels( $known['scores'] ?? array() ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped there.
		if ( Hakam_Comments::digest( $comment ) !== ( $known['digest'] ?? '' ) ) {
			return; // The marks are places in another text.
		}
		foreach ( array( 'text', 'name' ) as $field ) {
			$spans = array();
			foreach ( $known['evidence'] ?? array() as list( $where, $start, $end ) ) {
				if ( $where === $field ) {
					$spans[] = array( $start, $end );
				}
			}
			$marked = Hakam_Text::marked( 'name' === $field ? Hakam_Comments::name( $comment ) : Hakam_Comments::text( $comment ), $spans );
			if ( '' !== $marked ) {
				printf(
					'<p class="hakam-marked" dir="auto">%s%s</p>',
					'name' === $field ? esc_html__( 'Name:', 'hakam' ) . ' ' : '',
					$marked // phpcs:ignore WordPress.Security.EscapeOutput -- escaped by Hakam_Text::marked.
				);
			}
		}
	}

	/**
	 * Says where a comment stands.
	 *
	 * @param array $known What is known of it.
	 * @return string
	 */
	private static function state( array $known ) {
		switch ( $known['state'] ?? '' ) {
			case 'unsent':
				return __( 'Held: Hakam has not answered yet', 'hakam' );
			case 'unreadable':
				return __( 'Held: Hakam could not read it, please decide', 'hakam' );
			case 'given_up':
				return __( 'Held: Hakam never answered, please decide', 'hakam' );
			case 'waiting':
				return __( 'Waits for a person', 'hakam' );
			case 'approved':
				return self::by( $known, __( 'Approved by Hakam', 'hakam' ), __( 'Approved by a moderator in Hakam', 'hakam' ), __( 'Approved here', 'hakam' ) );
			case 'rejected':
				return self::by( $known, __( 'Rejected by Hakam', 'hakam' ), __( 'Rejected by a moderator in Hakam', 'hakam' ), __( 'Rejected here', 'hakam' ) );
		}
		return '';
	}

	/**
	 * Picks the words for who decided.
	 *
	 * @param array  $known  What is known of a comment.
	 * @param string $policy By the site's policy in Hakam.
	 * @param string $hakam  By a person there.
	 * @param string $site   By a person here.
	 * @return string
	 */
	private static function by( array $known, $policy, $hakam, $site ) {
		$by = $known['by'] ?? '';
		return 'site' === $by ? $site : ( 'hakam' === $by ? $hakam : $policy );
	}

	/**
	 * Says why a comment was put before a person.
	 *
	 * @param array $known What is known of it.
	 * @return string
	 */
	private static function why( array $known ) {
		switch ( $known['reason'] ?? '' ) {
			case 'score':
				return sprintf(
					/* translators: %s: a label, as "Insult". */
					'name' === ( $known['field'] ?? '' ) ? __( 'The name looks like: %s', 'hakam' ) : __( 'The text looks like: %s', 'hakam' ),
					self::label_name( $known['label'] ?? '' )
				);
			case 'listed':
				return __( 'It has a word of your list', 'hakam' );
			case 'author':
				return __( 'Its author is new, or was often rejected', 'hakam' );
			case 'unsupported_language':
				return __( 'Its letters cannot be read', 'hakam' );
			case 'random_sample':
				return __( 'Drawn at random, to see what is missed', 'hakam' );
		}
		return '';
	}

	/**
	 * Shows the highest scores.
	 *
	 * @param array $scores By label.
	 * @return string Escaped HTML.
	 */
	public static function labels( array $scores ) {
		arsort( $scores );
		$html = '';
		foreach ( array_slice( $scores, 0, self::MAX_LABELS, true ) as $label => $score ) {
			if ( $score >= self::WORTH_A_LOOK ) {
				$html .= sprintf( '<li>%s <b>%s&#37;</b></li>', esc_html( self::label_name( $label ) ), esc_html( number_format_i18n( 100 * $score ) ) );
			}
		}
		return '' === $html ? '' : '<ul class="hakam-labels">' . $html . '</ul>';
	}

	/**
	 * Returns the name of a label; one that is not known here is its own name.
	 *
	 * @param string $label Of Hakam.
	 * @return string
	 */
	public static function label_name( $label ) {
		$names = array(
			'toxicity'         => __( 'Abuse', 'hakam' ),
			'severe_toxicity'  => __( 'Severe abuse', 'hakam' ),
			'insult'           => __( 'Insult', 'hakam' ),
			'profanity'        => __( 'Obscenity', 'hakam' ),
			'identity_attack'  => __( 'Hatred of a group', 'hakam' ),
			'threat'           => __( 'Threat', 'hakam' ),
			'spam'             => __( 'Spam', 'hakam' ),
			'religious_insult' => __( 'Insult to religion', 'hakam' ),
		);
		return $names[ $label ] ?? $label;
	}
}
