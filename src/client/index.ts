/** The client: how every terminal speaks to a guest's gateway. */
export { type Client, connect, type ConnectOptions } from './client.ts'
export type { FollowEvent, FollowHandler } from './follower.ts'
export type { Following } from './following.ts'
export type { SendMessage, SentMessage } from './gateway-methods.ts'
export type { ClientLimits } from './limits.ts'
export type { ConnectionState } from './reconnect.ts'
export type { RestartCause, TextEvent } from './reply-text.ts'
