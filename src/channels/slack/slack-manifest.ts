/** What a person pastes at api.slack.com/apps to make the app. */

/** Without each of these something does not work. */
export const neededScopes = [
  'app_mentions:read',
  'channels:history',
  'channels:read',
  'chat:write',
  'commands',
  'files:read',
  'files:write',
  'groups:history',
  'groups:read',
  'im:history',
  'im:read',
  'mpim:history',
  'mpim:read',
] as const

/** @returns a manifest of the app, in JSON: docs.slack.dev/reference/app-manifest */
export function slackManifest(): string {
  return JSON.stringify({
    display_information: { name: 'Oxbow' },
    features: {
      app_home: { messages_tab_enabled: true, messages_tab_read_only_enabled: false },
      bot_user: { display_name: 'Oxbow', always_online: false },
      slash_commands: [{ command: '/oxbow', description: 'Commands of your agent', usage_hint: 'help', should_escape: false }],
    },
    oauth_config: { scopes: { bot: neededScopes } },
    settings: {
      event_subscriptions: { bot_events: ['app_mention', 'message.channels', 'message.groups', 'message.im', 'message.mpim'] },
      interactivity: { is_enabled: true },
      socket_mode_enabled: true,
      token_rotation_enabled: false,
    },
  })
}
