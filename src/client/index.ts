/** The client: how every terminal speaks to a guest's gateway. */
export { type Client, connect, type ConnectOptions, type SentMessage } from './client.ts'
export type { FollowEvent, FollowHandler, RestartCause } from './follower.ts'

export type { ConnectionState } from './connection.ts'
