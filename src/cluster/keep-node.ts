/**
 * A node that lasts: where NATS has lost what it had stored, what a cluster keeps there is made anew, and the node begins again with the users
 * that it had. Truth is in Postgres, so nothing of them is lost; their guests end first, because a lease of before means nothing any more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '../base/index.ts'
import { rejoinMs } from './limits.ts'
import type { ClusterLink } from './nats-link.ts'
import type { ClusterNode } from './node.ts'

export interface KeepDeps {
  readonly start: (link: ClusterLink, onForgotten: () => void) => Promise<ClusterNode>
  /** Makes anew what is gone, and connects. @throws where that cannot be done yet */
  readonly reopen: () => Promise<ClusterLink>
  /** Called with the first node, and with each that replaces it. */
  readonly onNode: (node: ClusterNode) => void
  readonly say: (text: string) => void
}

export interface KeptNode {
  node(): ClusterNode
  close(): Promise<void>
}

/** @throws as `start`, for the first node */
export async function keepNode({ start, reopen, onNode, say }: KeepDeps, first: ClusterLink): Promise<KeptNode> {
  const closing = new AbortController()
  let restarting: Promise<void> | null = null
  const begin = async (link: ClusterLink): Promise<ClusterNode> => {
    const made: ClusterNode = await start(link, () => {
      if (made === node) restarting ??= restart().finally(() => (restarting = null))
    })
    return made
  }
  const beginAnew = async (): Promise<ClusterNode> => {
    const link = await reopen()
    try {
      return await begin(link)
    } catch (error) {
      await link.close()
      throw error
    }
  }
  const restart = async (): Promise<void> => {
    say('NATS has lost what it had stored: this node begins again')
    const users = await node.abandon()
    while (!closing.signal.aborted) {
      try {
        node = await beginAnew()
        onNode(node)
        // One that is not asked for now comes with its next message: another node must not be begun over this one for that.
        for (const user of users) await node.wake(user).catch((error: unknown) => say(`${user}: ${errorMessage(error)}`))
        return
      } catch (error) {
        say(errorMessage(error))
        await sleep(rejoinMs)
      }
    }
  }
  let node = await begin(first)
  onNode(node)
  return {
    node: () => node,
    async close() {
      closing.abort()
      await restarting
      await node.close()
    },
  }
}
