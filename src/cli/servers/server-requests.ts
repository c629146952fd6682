/** The calls about servers of tools that verbs and editors make. */
import type { OutputOf } from '../../client/index.ts'
import type { JsonObject } from '../../types/index.ts'

type Request<Name extends string> = readonly [name: Name, input: JsonObject]

export type ServerDiff = OutputOf<'server.diff'>
export type Definition = NonNullable<ServerDiff['tools'][number]['now']>
export type Offers = ServerDiff['offers']['now']

export const listRequest: Request<'server.list'> = ['server.list', {}]

export const addRequest = (server: string, settings: JsonObject): Request<'server.add'> => ['server.add', { server, settings }]

export const diffRequest = (server: string): Request<'server.diff'> => ['server.diff', { server }]

export const approveRequest = (input: JsonObject): Request<'server.approve'> => ['server.approve', input]

export const switchRequest = (server: string, enabled: boolean): Request<'server.switch'> => ['server.switch', { server, enabled }]

export const removeRequest = (server: string): Request<'server.remove'> => ['server.remove', { server }]
