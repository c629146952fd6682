/**
 * What is alive in this sandbox: commands that run and sessions that are open. Who ends one of them spares the others, so all
 * stand in one list.
 */
import { endTree, leftovers } from './process-tree.ts'
import type { RunningCommand } from './process-tree.ts'

/** A thing of its own, and no number: a number is somebody else's as soon as it is closed. */
export interface HiddenDescriptor {
  readonly descriptor: number
}

export interface LiveCommands {
  /** A mark for the environment of the next one; never the same twice. */
  newMark(): { readonly name: string; readonly value: string }
  add(command: RunningCommand): void
  /** Pids of all that lives of it. */
  processes(command: RunningCommand): number[]
  /** Resolves when nothing of it is left; see endTree for grace and failure. It leaves the list either way. */
  end(command: RunningCommand, graceMs: number): Promise<void>
  /** Descriptors of hands that nothing they start may have, though the system would pass them on. */
  readonly hidden: Set<HiddenDescriptor>
  /** What one with this pass finds in its environment beside what a command always has. */
  environment(pass: string): Readonly<Record<string, string>>
}

/** @param ownsPids see process-tree.ts; true only in a pid namespace of our own */
export function createLiveCommands(ownsPids: boolean, environment: LiveCommands['environment'] = () => ({})): LiveCommands {
  const living = new Set<RunningCommand>()
  const run = `${process.pid}-${Date.now().toString(36)}`
  let count = 0
  const othersThan = (command: RunningCommand) => [...living].filter((each) => each !== command)
  return {
    newMark: () => ({ name: 'OXBOW_COMMAND', value: `${run}-${(count += 1)}` }),
    add: (command) => void living.add(command),
    processes: (command) => leftovers(command, othersThan(command), false),
    async end(command, graceMs) {
      try {
        await endTree(command, () => othersThan(command), ownsPids, graceMs)
      } finally {
        living.delete(command)
      }
    },
    hidden: new Set(),
    environment,
  }
}
