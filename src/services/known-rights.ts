/** Rights that exist: a list of them that a person writes has no other one, which would give nothing, and not say so. */
import type { Registry } from '../kernel/index.ts'
import { didYouMean, isOxbowError, OxbowError } from '../base/index.ts'
import { grantOf, roles } from '../protocol/index.ts'

/** Rights by the name of a server, an agent of others or a plugin, which may be added later. */
const open = /^(?:mcp|a2a|acp|plugin)\./
/** Rights that no call needs by itself. */
const apart = ['secret.use', 'model.use', 'turn.run']
/** A name that is this far off is another one. */
const maxEdits = 3

/** @throws OxbowError `bad_input` that names the first right that does not exist, and one that may be meant */
export function assertKnownRights(registry: Pick<Registry, 'references'>, list: readonly string[]): void {
  const { rights, limits } = grantOf(list)
  // The roles have the rights of calls that this configuration turns off.
  const known = new Set([...registry.references().map(({ right }) => right), ...Object.values(roles).flat(), ...apart])
  const named = [...rights, ...(limits === undefined ? [] : [...limits.denied, ...limits.only.keys(), ...limits.except.keys()])]
  const unknown = named.find((right) => !known.has(right) && !open.test(right))
  if (unknown === undefined) return
  throw new OxbowError('bad_input', `There is no right ${JSON.stringify(unknown)}.`, {
    hint: `${didYouMean(unknown, known, maxEdits)}\`oxbow calls\` lists calls and rights.`,
  })
}

/** As `assertKnownRights`. @returns what is wrong; empty: nothing */
export function rightProblem(registry: Pick<Registry, 'references'>, list: readonly string[]): string {
  try {
    assertKnownRights(registry, list)
    return ''
  } catch (error) {
    if (isOxbowError(error, 'bad_input')) return `${error.message} ${error.hint}`
    throw error
  }
}
