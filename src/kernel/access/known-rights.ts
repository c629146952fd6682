/** Whether there are the rights that somebody gives: a misspelt one grants nothing, and a misspelt denial denies nothing. */
import { editDistance, grantOf, OxbowError, roles } from '../../types/index.ts'
import type { Registry } from '../registry.ts'

/** Rights by the name of a server, an agent of others or a plugin, which may be added later. */
const open = /^(?:mcp|a2a|acp|plugin)\./
/** Rights that no call needs by itself. */
const apart = ['secret.use', 'model.use', 'turn.run']
/** A name that is this far off is another one. */
const maxEdits = 3

/** @throws OxbowError `bad_input` that names the first right that does not exist, and one that may be meant */
export function assertKnownRights(registry: Pick<Registry, 'references'>, list: readonly string[]): void {
  const { rights, limits } = grantOf(list)
  // Those of calls that this configuration turns off are in the roles.
  const known = new Set([...registry.references().map(({ right }) => right), ...Object.values(roles).flat(), ...apart])
  const named = [...rights, ...(limits === undefined ? [] : [...limits.denied, ...limits.only.keys(), ...limits.except.keys()])]
  const unknown = named.find((right) => !known.has(right) && !open.test(right))
  if (unknown === undefined) return
  const [nearest] = [...known]
    .map((right) => ({ right, edits: editDistance(right, unknown) }))
    .toSorted((a, b) => a.edits - b.edits || (a.right < b.right ? -1 : 1))
  const meant = nearest !== undefined && nearest.edits <= maxEdits ? `Did you mean ${nearest.right}? ` : ''
  throw new OxbowError('bad_input', `There is no right ${JSON.stringify(unknown)}.`, {
    hint: `${meant}\`oxbow calls\` lists calls and rights.`,
  })
}
