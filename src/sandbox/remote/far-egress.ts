/**
 * Network for hands on another node. Programs there find a proxy on a socket, as they do at home; the node carries each of their connections,
 * unread, over one connection to the guest, which alone has the rules, the passes and the log. What a hostile node sends is no more than
 * what a program in a sandbox at home can send: it needs the pass of a call that runs on this branch, and reaches what that may reach.
 */
import type { Socket } from 'node:net'
import { carryStreams, once, OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { type EgressProxy, openToHands } from '../egress/egress-proxy.ts'
import { maxFarStreams } from '../limits.ts'
import { listenAt } from './local-socket.ts'

/** The end of the node that has the hands. */
export interface FarEgress {
  /** Listens from the first call on. @throws OxbowError `sandbox_failed` while nothing leads home */
  listen(): Promise<void>
  /** A connection to the guest takes the place of the one before. */
  carry(home: Socket): void
  close(): Promise<void>
}

/** @param path of the socket that the programs of a branch see */
export function openFarEgress(path: string): FarEgress {
  let home: Socket | null = null
  let carrier: ReturnType<typeof carryStreams> | null = null
  let listening: ReturnType<typeof listenAt> | null = null
  const open = async (): ReturnType<typeof listenAt> => {
    const opened = await listenAt(path, maxFarStreams, (client) => (carrier === null ? client.destroy() : carrier.open(client)), true)
    await openToHands(path)
    return opened
  }
  return {
    async listen() {
      if (carrier === null || home?.destroyed !== false) throw lost()
      listening ??= open()
      await listening
    },
    carry(next) {
      home?.destroy()
      home = next
      const own = carryStreams(next, { maxStreams: maxFarStreams, onBroken: () => next.destroy() })
      carrier = own
      next.once('close', () => {
        if (carrier === own) carrier = null
      })
    },
    async close() {
      home?.destroy()
      await (await listening?.catch(() => null))?.close()
    },
  }
}

function lost(): OxbowError {
  return new OxbowError('sandbox_failed', 'The connection for the network of this branch was lost.', { hint: 'Try again.' })
}

/** The end of the guest. */
export interface HomeEgress {
  /** Brings the network there, where it is not. @throws OxbowError as connecting does */
  open(): Promise<void>
  /** @param hands whose programs may use the passes that come with a request, and no others @returns the same */
  over(hands: Hands): Hands
  close(): Promise<void>
}

/** @param connect asks the node to carry connections @returns the socket that does, paused */
export function openHomeEgress(proxy: Pick<EgressProxy, 'openSome'>, connect: () => Promise<Socket>): HomeEgress {
  const { connect: connectTo } = process.getBuiltinModule('node:net')
  const some = once(() => proxy.openSome('online'))
  let carried: Promise<Socket> | null = null
  const carry = async (): Promise<Socket> => {
    const { path } = await some()
    const far = await connect()
    if (far.destroyed) throw lost()
    carryStreams(far, {
      maxStreams: maxFarStreams,
      accept: () => connectTo({ path, allowHalfOpen: true }),
      onBroken: () => far.destroy(),
    })
    far.once('close', () => (carried = null))
    far.resume()
    return far
  }
  const open = async (): Promise<void> => {
    carried ??= carry()
    await carried.catch((error: unknown) => {
      carried = null
      throw error
    })
  }
  return {
    open,
    over: (hands) => ({
      async ask(op, input, options) {
        const { pass } = input as { readonly pass?: string }
        if (pass !== undefined) {
          await open()
          ;(await some()).name(pass)
        }
        return hands.ask(op, input, options)
      },
    }),
    async close() {
      ;(await carried?.catch(() => null))?.destroy()
      await (await some.made()?.catch(() => null))?.close()
    },
  }
}
