/** The client: how every terminal speaks to a guest's gateway. The page of a browser imports `browser-client.ts` instead. */
export { connect } from './node-client.ts'
export type { Client, ConnectOptions, SentMessage } from './client.ts'
export type { FollowEvent, FollowHandler, RestartCause } from './follower.ts'

export { type TurnWatch, watchTurn } from './turn-watch.ts'
export type { InputOf, OutputOf } from '../protocol/index.ts'
export type { ConnectionState } from './connection.ts'
