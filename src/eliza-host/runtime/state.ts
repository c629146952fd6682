/** What providers say about a message, put together and kept by message. */
import type { ElizaRuntime, StateMethods } from './runtime-types.ts'
import type { Free, Memory, Provider, State } from '../eliza-types.ts'
import { setOwn, ownValue } from '../../base/index.ts'

/** Messages whose state is kept; elizaOS keeps all of them. */
const keptStates = 500

export function stateMethods(self: ElizaRuntime): StateMethods {
  return {
    async composeState(message, include = null, onlyInclude = false, skipCache = false) {
      const empty: State = { values: {}, data: {}, text: '' }
      const before = skipCache || !message.id ? empty : (self.stateCache.get(message.id) ?? empty)
      const chosen = chooseProviders(self.providers, include ?? [], onlyInclude)
      const fresh = await Promise.all(chosen.map((provider) => ask(self, provider, message, before)))
      const results: Record<string, Free> = { ...(before.data['providers'] as Record<string, Free> | undefined) }
      for (const [name, result] of fresh) setOwn(results, name, result)
      const state = join(before, chosen, results)
      if (message.id) remember(self.stateCache, message.id, state)
      return state
    },
  }
}

/** By name, then by position. Names that no provider has are left out. */
function chooseProviders(all: readonly Provider[], include: readonly string[], onlyInclude: boolean): readonly Provider[] {
  const exact = onlyInclude && include.length > 0
  const byDefault = exact ? [] : all.filter((provider) => !provider.private && !provider.dynamic).map(({ name }) => name)
  const names = new Set([...byDefault, ...include])
  return all.filter(({ name }) => names.has(name)).toSorted((one, other) => (one.position ?? 0) - (other.position ?? 0))
}

async function ask(self: ElizaRuntime, provider: Provider, message: Memory, state: State): Promise<readonly [string, Free]> {
  const result = await provider.get(self, message, state)
  return [provider.name, { ...result, providerName: provider.name }]
}

function join(before: State, chosen: readonly Provider[], results: Readonly<Record<string, Free>>): State {
  const texts = chosen.flatMap(({ name }) => {
    const text: unknown = ownValue(results, name)?.['text']
    return typeof text === 'string' && text.trim() !== '' ? [text] : []
  })
  const names = chosen.map(({ name }) => name)
  const values: Free = { ...before.values }
  for (const name of [...names, ...Object.keys(results).filter((each) => !names.includes(each))]) {
    const given: unknown = ownValue(results, name)?.['values']
    if (typeof given === 'object' && given !== null) Object.assign(values, given)
  }
  const text = texts.join('\n')
  return { values: { ...values, providers: text }, data: { ...before.data, providers: results }, text }
}

/** Keeps the newest only: a host lives for days. */
export function remember(cache: Map<string, State>, key: string, state: State): void {
  cache.delete(key)
  cache.set(key, state)
  for (const oldest of cache.keys()) {
    if (cache.size <= keptStates) return
    cache.delete(oldest)
  }
}
