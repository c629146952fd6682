/**
 * The configuration of a guest that serves; some keys change while it runs. What reads a key at its use reads the value of now; in a
 * turn, the one with which the turn began. So nobody is handed a new configuration, and no turn has two.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { isObject, ownValue } from '../base/index.ts'
import type { Config, TurnConfig } from '../config/index.ts'

interface Held {
  readonly config: Config
  generation: number
}

export interface LiveConfig extends TurnConfig {
  /** Reads as a configuration. Sections may be kept, values may not. */
  readonly view: Config
  /** What is read from now on, but in turns that have begun. */
  apply(config: Config): void
  tookUp(generation: number): void
}

export function createLiveConfig(first: Config): LiveConfig {
  const turns = new AsyncLocalStorage<Held>()
  let newest: Held = { config: first, generation: 0 }
  const now = (): Config => (turns.getStore() ?? newest).config
  const view = viewOf(Object.keys(first), now)
  for (const [name, section] of Object.entries(first) as readonly [keyof Config, unknown][])
    if (isObject(section)) Object.defineProperty(view, name, { value: viewOf(Object.keys(section), () => ownValue(now(), name)) })
  return {
    view: view as Config,
    apply: (config) => void (newest = { config, generation: newest.generation }),
    tookUp: (generation) => void (newest.generation = generation),
    generation: () => newest.generation,
    during: (turn) => turns.run(newest, turn),
  }
}

/** Keys of a section are its schema's, or a table's that only a start reads. */
function viewOf(names: readonly string[], read: () => unknown): object {
  const view = {}
  for (const name of names)
    Object.defineProperty(view, name, {
      enumerable: true,
      configurable: true,
      get: () => ownValue(read() as Readonly<Record<string, unknown>>, name),
    })
  return view
}
