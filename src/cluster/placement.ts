/** Where a user's guest goes: pure, so that the same code places one user and a simulated million. */

import type { NodeView } from './notes.ts'

export interface PlacementWish {
  readonly protocol: number
  /** The node that has the workspace from before; empty: none. */
  readonly warm: string
  /** Nodes that are not to have it: one that has just lost it. */
  readonly avoid: readonly string[]
  /** All of these. */
  readonly labels: readonly string[]
}

/**
 * Among nodes that are up, speak the protocol, offer the labels and have room: the one where the workspace is warm, else the one that is least
 * full, then the one with the most free memory, then the first by name, so that all nodes choose alike.
 * @returns null where no node has room
 */
export function chooseNode(nodes: readonly NodeView[], { protocol, warm, avoid, labels }: PlacementWish): string | null {
  const fit = nodes.filter(
    (node) =>
      node.state === 'up' &&
      node.protocol === protocol &&
      node.guests < node.capacity &&
      labels.every((label) => node.labels.includes(label)),
  )
  // A node that is to be avoided is better than none.
  const wanted = fit.filter(({ name }) => !avoid.includes(name))
  const left = wanted.length > 0 ? wanted : fit
  const isWarm = left.find(({ name }) => name === warm)
  if (isWarm !== undefined) return isWarm.name
  const ranked = left.toSorted((a, b) => a.guests / a.capacity - b.guests / b.capacity || b.freeMb - a.freeMb || (a.name < b.name ? -1 : 1))
  return ranked[0]?.name ?? null
}
