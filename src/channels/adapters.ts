/** The kinds of channels. A new one is its folder and a line here; its library is loaded with the first channel of the kind. */
import type { OpenChannel } from './port.ts'

/** By kind. */
export const adapters: Readonly<Record<string, () => Promise<OpenChannel>>> = {
  discord: async () => (await import('./discord/discord-adapter.ts')).openDiscord,
  email: async () => (await import('./email/email-adapter.ts')).openEmail,
  slack: async () => (await import('./slack/slack-adapter.ts')).openSlack,
  telegram: async () => (await import('./telegram/telegram-adapter.ts')).openTelegram,
  webhook: async () => (await import('./webhook/webhook-adapter.ts')).openWebhook,
}
