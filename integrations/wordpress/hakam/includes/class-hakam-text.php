<?php
/**
 * Text: what of a comment Hakam reads, and how its marks are shown.
 *
 * WordPress keeps comments as HTML; Hakam reads what a reader sees. Both must always make the same
 * text of the same comment, because evidence is told as places in it, and decisions by its digest.
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

/**
 * Pure functions on texts.
 */
final class Hakam_Text {

	const MAX_BYTES  = 20480; // That Hakam takes of a text; no letter has more than four.
	const LINE_BREAK = '/^<\/?(?:p|br|div|blockquote|pre|ul|ol|li|h[1-6]|hr|table|tr)\b/i';
	const CONTEXT    = 24; // Letters that are shown around a mark.
	const MAX_MARKS  = 20; // That are shown of a comment.

	/**
	 * Returns the text that a reader sees, with the address of each link behind its words.
	 *
	 * @param string $html What WordPress keeps.
	 * @return string Valid UTF-8.
	 */
	public static function plain( $html ) {
		$text = '';
		$link = '';
		foreach ( wp_html_split( (string) $html ) as $part ) {
			if ( '' === $part || '<' !== $part[0] ) {
				$text .= $part;
			} elseif ( preg_match( '/^<a\s/i', $part ) ) {
				$found = preg_match( '/\shref\s*=\s*(?:"([^"]*)"|\'([^\']*)\'|([^\s>"\']+))/i', $part, $href );
				$link  = $found ? end( $href ) : '';
			} elseif ( preg_match( '/^<\/a\s*>/i', $part ) ) {
				if ( '' !== $link && false === strpos( $text, $link ) ) {
					$text .= ' (' . $link . ')';
				}
				$link = '';
			} elseif ( preg_match( self::LINE_BREAK, $part ) ) {
				$text .= "\n";
			}
		}
		$text = html_entity_decode( $text, ENT_QUOTES | ENT_HTML5, 'UTF-8' );
		$text = str_replace( array( "\r\n", "\r", "\0" ), array( "\n", "\n", '' ), wp_check_invalid_utf8( $text, true ) );
		return trim( preg_replace( '/\n{3,}/', "\n\n", $text ) );
	}

	/**
	 * Returns the first letters of a text.
	 *
	 * @param string $text     A text.
	 * @param int    $n_letters How many at most.
	 * @return string
	 */
	public static function clip( $text, $n_letters ) {
		return mb_substr( $text, 0, $n_letters, 'UTF-8' );
	}

	/**
	 * Returns as much of a text as certainly fits into Hakam's limit, where it does not as a whole.
	 *
	 * @param string $text A text.
	 * @return string
	 */
	public static function fitting( $text ) {
		return strlen( $text ) <= self::MAX_BYTES ? $text : self::clip( $text, intdiv( self::MAX_BYTES, 4 ) );
	}

	/**
	 * Returns the digest by which Hakam says which text and name it means.
	 *
	 * @param string $text The text that was sent.
	 * @param string $name The display name that was sent.
	 * @return string
	 */
	public static function digest( $text, $name ) {
		$encoded = base64_encode( hash( 'sha256', $text . "\0" . $name, true ) ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- the form of the digest.
		return substr( strtr( $encoded, '+/', '-_' ), 0, 28 );
	}

	/**
	 * Returns the marked words of a text with some letters around them, as escaped HTML.
	 *
	 * @param string $text  The text that was judged.
	 * @param array  $spans Pairs of first letter and letter after the last.
	 * @return string
	 */
	public static function marked( $text, array $spans ) {
		sort( $spans );
		$html = '';
		$at   = 0;
		foreach ( array_slice( $spans, 0, self::MAX_MARKS ) as list( $start, $end ) ) {
			$start = max( $start, $at );
			if ( $end <= $start ) {
				continue;
			}
			$before = mb_substr( $text, $at, $start - $at, 'UTF-8' );
			$html  .= self::shortened( $before, '' === $html ) . '<mark>' . self::escaped( mb_substr( $text, $start, $end - $start, 'UTF-8' ) ) . '</mark>';
			$at     = $end;
		}
		if ( '' === $html ) {
			return '';
		}
		$after = mb_substr( $text, $at, null, 'UTF-8' );
		$short = self::clip( $after, self::CONTEXT );
		return $html . self::escaped( $short ) . ( $short === $after ? '' : '&hellip;' );
	}

	/**
	 * Escapes a text, and what looks like an entity in it as well.
	 *
	 * @param string $text A text.
	 * @return string HTML.
	 */
	public static function escaped( $text ) {
		return esc_html( str_replace( '&', '&amp;', $text ) );
	}

	/**
	 * Returns the letters before a mark, of many only those next to it and to the mark before.
	 *
	 * @param string $text     The letters.
	 * @param bool   $is_first Whether no mark is before.
	 * @return string Escaped HTML.
	 */
	private static function shortened( $text, $is_first ) {
		$end = mb_substr( $text, -self::CONTEXT, null, 'UTF-8' );
		if ( $is_first ) {
			return ( $end === $text ? '' : '&hellip;' ) . self::escaped( $end );
		}
		if ( mb_strlen( $text, 'UTF-8' ) <= 2 * self::CONTEXT ) {
			return self::escaped( $text );
		}
		return self::escaped( self::clip( $text, self::CONTEXT ) ) . '&hellip;' . self::escaped( $end );
	}
}
