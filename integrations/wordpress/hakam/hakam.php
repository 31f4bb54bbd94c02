<?php
/**
 * Plugin Name:       Hakam: moderation of Arabic comments
 * Description:       New comments are read by your Hakam before they are published: what is clean appears at once, what is doubtful waits for a person, and what is decided there is done here.
 * Version:           0.1.0
 * Requires at least: 5.6
 * Requires PHP:      7.4
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       hakam
 * Domain Path:       /languages
 *
 * @package Hakam
 */

defined( 'ABSPATH' ) || exit;

define( 'HAKAM_PLUGIN_VERSION', '0.1.0' );
define( 'HAKAM_PLUGIN_FILE', __FILE__ );

require_once __DIR__ . '/includes/class-hakam-settings.php';
require_once __DIR__ . '/includes/class-hakam-text.php';
require_once __DIR__ . '/includes/class-hakam-client.php';
require_once __DIR__ . '/includes/class-hakam-outbox.php';
require_once __DIR__ . '/includes/class-hakam-comments.php';
require_once __DIR__ . '/includes/class-hakam-moderators.php';
require_once __DIR__ . '/includes/class-hakam-webhook.php';
require_once __DIR__ . '/includes/class-hakam-comment-list.php';

add_action(
	'init',
	static function () {
		load_plugin_textdomain( 'hakam', false, dirname( plugin_basename( __FILE__ ) ) . '/languages' );
	}
);

Hakam_Outbox::register();
Hakam_Comments::register();
Hakam_Moderators::register();
Hakam_Webhook::register();

if ( is_admin() ) {
	require_once __DIR__ . '/includes/class-hakam-settings-page.php';
	Hakam_Settings_Page::register();
	Hakam_Comment_List::register();
}

register_activation_hook( __FILE__, array( 'Hakam_Outbox', 'install' ) );
register_deactivation_hook( __FILE__, array( 'Hakam_Outbox', 'unschedule' ) );
