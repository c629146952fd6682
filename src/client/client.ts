/**
 * The typed gateway client that every terminal uses. It holds one connection and comes back when that is lost: messages that
 * were not acknowledged are sent again under the same id, and every followed session goes on from its cursor.
 */
import {
  type Clock,
  createIdMaker,
  type GuestStatus,
  type Random,
  type ServerFrame,
  type SessionId,
  systemClock,
  systemRandom,
} from '../types/index.ts'
import type { FollowHandler, StreamFrame } from './follower.ts'
import { createFollowing, type Following } from './following.ts'
import { gatewayMethods, type GatewayMethods } from './gateway-methods.ts'
import { type ClientLimits, clientLimits } from './limits.ts'
import { type ConnectionState, keepConnected } from './reconnect.ts'
import { type Answer, createRequests, type Requests } from './requests.ts'

export interface ConnectOptions {
  /** `ws://host:port/ws` */
  readonly url: string
  readonly token: string
  /** Name of the terminal, e.g. `cli`. */
  readonly client: string
  /** False: the first lost connection is the end. Default true. */
  readonly reconnect?: boolean
  /** Told when the connection is lost, when it is back, and when it will not come back. */
  readonly onState?: (state: ConnectionState) => void
  readonly clock?: Clock
  readonly random?: Random
  readonly limits?: Partial<ClientLimits>
}

/** Every method rejects with an OxbowError: the guest's failure, or `timeout`, `guest_unreachable`, `limit_reached`. */
export interface Client extends GatewayMethods {
  /** What the guest said when the connection was made last; `status` asks anew. */
  greeting(): GuestStatus
  /**
   * Everything of the session after `cursor` (0: all), then live, across reconnections. Resolves when the past was told; the
   * handler runs before and after. @throws OxbowError `not_found`; later failures are the handler's last event.
   */
  follow(session: SessionId, cursor: number, handler: FollowHandler): Promise<Following>
  /** Resolves when the connection is closed; what still waits for an answer fails with `cancelled`. */
  close(): Promise<void>
}

/** Resolves when the guest has said hello. @throws OxbowError `guest_unreachable`, `unauthenticated` … for the first connection */
export async function connect(options: ConnectOptions): Promise<Client> {
  const { url, token, client, clock = systemClock, random = systemRandom } = options
  const limits: ClientLimits = { ...clientLimits, ...options.limits }
  const requests = createRequests(limits)
  const following = createFollowing(requests, limits)
  const connection = await keepConnected({
    wire: { url, token, client, limits },
    clock,
    random,
    reconnect: options.reconnect ?? true,
    onState: options.onState ?? (() => {}),
    onFrame(frame) {
      // A snapshot is both an answer and a part of the stream: the stream sees it first.
      if (isStreamFrame(frame) && !following.receive(frame)) connection.restart()
      else if (frame.type === 'error') settleError(requests, frame.payload)
      else if ('request_id' in frame.payload) requests.settle(frame.payload.request_id, frame as Answer)
    },
    onUp(send) {
      requests.connected(send)
      following.up()
    },
    onDown(failure, fails) {
      requests.lost(failure, fails)
      following.down()
    },
    onGone(failure, closed) {
      requests.lost(failure, 'all')
      following.end(failure, closed)
    },
  })
  const { greeting, close } = connection
  return { ...gatewayMethods(requests, limits, createIdMaker(clock, random)), follow: following.follow, greeting, close }
}

function isStreamFrame(frame: ServerFrame): frame is StreamFrame {
  return (
    frame.type === 'record' ||
    frame.type === 'delta' ||
    frame.type === 'snapshot' ||
    frame.type === 'progress' ||
    frame.type === 'reply_restarted'
  )
}

function settleError(requests: Requests, { request_id, ...failure }: Extract<ServerFrame, { type: 'error' }>['payload']): void {
  if (request_id !== null) requests.settle(request_id, failure)
}
