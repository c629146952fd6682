/**
 * Versions of configuration files, and the steps between them, forward and back. A file names its version as `config_version`; one that does
 * not is of version 1, which all files were before. What a start reads is moved in memory. The file itself is moved when it is written next, or
 * by `oxbow config migrate`, and what it was stays next to it.
 */
import { isObject, type Json, type JsonObject, OxbowError, ownValue, setOwn } from '../../base/index.ts'
import { type ConfigChange, valueIn } from '../../config/index.ts'

interface Step {
  /** What makes a table of the version below one of this version. */
  forward(table: JsonObject): readonly ConfigChange[]
  /** And the way back; nothing that the version below understands is lost. */
  back(table: JsonObject): readonly ConfigChange[]
}

/** `session` had `max_idle` and `idle_s`. They meant nothing any more. */
const retired: readonly (readonly string[])[] = [['session'], ['memory', 'summary', 'min_turns']]

/** From version 1 to 2, and so on. A step that was released is never changed. */
const steps: readonly Step[] = [
  {
    forward: (table) => retired.filter((key) => valueIn(table, key) !== undefined).map((key) => ({ key: [...key], value: null })),
    back: () => [],
  },
]

/** The one that this Oxbow writes. */
export const configVersion: number = steps.length + 1

const versionKey = 'config_version'

/** @returns the version of a file's table; what is no number is a fault of the file, which its schema names */
export function versionOf(table: JsonObject): number {
  const said = ownValue(table, versionKey)
  return typeof said === 'number' && Number.isInteger(said) && said >= 1 ? said : 1
}

/** @returns what moves a table to a version: nothing for one that says nothing of another version */
export function movesOf(table: JsonObject, to: number = configVersion): readonly ConfigChange[] {
  const from = versionOf(table)
  // Only the Oxbow that wrote it knows the way back.
  if (from > configVersion) return []
  const moved = structuredClone(table)
  const changes: ConfigChange[] = []
  for (let at = from; at !== to; at += Math.sign(to - at)) {
    const next = to > at ? steps[at - 1]?.forward(moved) : steps[at - 2]?.back(moved)
    for (const change of next ?? []) put(moved, change.key, change.value)
    changes.push(...(next ?? []))
  }
  const isSaid = ownValue(table, versionKey) === from
  if (from === to || (changes.length === 0 && !isSaid)) return []
  return [...changes, { key: [versionKey], value: to === 1 ? null : to }]
}

/**
 * @param path names the file in errors
 * @returns the table as this Oxbow understands it, without its version @throws OxbowError `bad_config` for one that a newer Oxbow wrote
 */
export function movedTable<Table extends object>(path: string, table: Table): Table {
  assertKnownVersion(path, table)
  const isSaid = ownValue(table as JsonObject, versionKey) === versionOf(table as JsonObject)
  const moves = movesOf(table as JsonObject)
  for (const { key, value } of moves) put(table as JsonObject, key, value)
  if (isSaid || moves.length > 0) put(table as JsonObject, [versionKey], null)
  return table
}

/** @throws OxbowError `bad_config` for what a newer Oxbow wrote */
export function assertKnownVersion(path: string, table: object): void {
  const said = versionOf(table as JsonObject)
  if (said <= configVersion) return
  throw new OxbowError(
    'bad_config',
    `${path} is of version ${said} of the configuration; this Oxbow knows versions up to ${configVersion}.`,
    {
      hint: `Upgrade Oxbow, or have the newer one take the file back: oxbow config migrate --to ${configVersion}`,
    },
  )
}

/** @param value null removes the key */
function put(table: Record<string, Json>, [first = '', ...path]: readonly string[], value: ConfigChange['value']): void {
  const inner = ownValue(table, first)
  if (path.length > 0) {
    if (isObject(inner)) put(inner, path, value)
    else if (value !== null) {
      const made: JsonObject = {}
      setOwn(table, first, made)
      put(made, path, value)
    }
  } else if (value === null) delete table[first]
  else setOwn(table, first, value)
}
