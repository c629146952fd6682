/** The client: how every terminal speaks to a guest's gateway. */
export { type Client, connect, type ConnectOptions, type SendMessage, type SentMessage } from './client.ts'
export type { FollowEvent, FollowHandler, RestartCause, TextEvent } from './follower.ts'
export type { Following } from './following.ts'
export type { ClientLimits } from './limits.ts'
export type { ConnectionState } from './connection.ts'
