<?php
/**
 * Uninstalling: nothing of the plugin stays, on any site of a network.
 *
 * @package Hakam
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/**
 * Removes what the plugin keeps on the present site: settings, what it knew of comments, its table
 * and its event.
 */
function hakam_uninstall_site() {
	global $wpdb;
	foreach ( array( 'hakam_settings', 'hakam_health', 'hakam_db_version' ) as $option ) {
		delete_option( $option );
	}
	delete_metadata( 'comment', 0, '_hakam', '', true );
	$wpdb->query( "DROP TABLE IF EXISTS {$wpdb->prefix}hakam_outbox" ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- our own table.
	wp_clear_scheduled_hook( 'hakam_send' );
	$like = $wpdb->esc_like( '_transient_hakam_test' ) . '%';
	$time = $wpdb->esc_like( '_transient_timeout_hakam_test' ) . '%';
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name LIKE %s OR option_name LIKE %s", $like, $time ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- transients of every person.
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $hakam_site_id ) {
		switch_to_blog( $hakam_site_id );
		hakam_uninstall_site();
		restore_current_blog();
	}
} else {
	hakam_uninstall_site();
}
