/**
 * What the journal says about the configuration: each guest that starts with another one than the guest before, or takes up a changed one,
 * records which keys differ, whoever has changed the files and by whatever means. The document holds the newest generation; the records that
 * set it are its history.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type CallId, isObject, type Json, ownValue, setOwn, toFailure } from '../../base/index.ts'
import { jsonSchema } from '../../protocol/index.ts'
import {
  areRightsWithin,
  type Config,
  compareConfigs,
  configCategory,
  configJsonSchema,
  configSchemaWith,
  flatConfig,
  type HostState,
  keyText,
} from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import type { Store } from '../../store/index.ts'

const name = 'taken'

/** For so long people are reminded of a wall that was loosened. */
const remindedMs = 24 * 60 * 60_000
/** Reminders of one day; the journal has all. */
const maxLoosened = 50

const changedKey = { key: z.string(), before: jsonSchema(), after: jsonSchema() }

export const takenConfig = z.strictObject({
  generation: z.int().describe('Counts from 1 up, one for each configuration that a guest has taken up.'),
  changes: z
    .array(z.strictObject(changedKey))
    .readonly()
    .describe('What the newest has changed, compared with the one before. A null is a key that does not exist on that side.'),
  loosened: z
    .array(z.strictObject({ ...changedKey, at: z.number().describe('Unix milliseconds at which a guest took it up.') }))
    .readonly()
    .describe('Walls that were loosened within a day and stand loosened, the newest first.'),
})

type TakenView = z.infer<typeof takenConfig>

interface TakenConfig extends TakenView {
  /** By key, as people write it. */
  readonly values: Readonly<Record<string, Json>>
  /** What else guards; see `HostState`. Absent: recorded by an earlier version, or not known. */
  readonly host?: HostState | undefined
}

type Deps = Pick<Core, 'config' | 'documents' | 'clock' | 'newId' | 'sections' | 'noteEvent' | 'host'>

/** Call at each start: records what the guest has taken up, now and whenever a file of its host changes. */
export async function keepRecorded(deps: Deps): Promise<void> {
  let refused = ''
  deps.host?.onConfigChange(() => {
    takeUp(deps).then(
      () => (refused = ''),
      (error: unknown) => {
        const { message } = toFailure(error, 'bad_config', '')
        // An editor may save the same fault twice.
        if (message !== refused) deps.noteEvent('config_refused', { problem: message })
        refused = message
      },
    )
  })
  await recordConfig(deps)
}

/** Takes up what of the files counts at once. @throws OxbowError `bad_config`; nothing is taken up then */
export async function takeUp(
  deps: Deps,
): Promise<{ readonly generation: number; readonly applied: readonly string[]; readonly waiting: readonly string[] }> {
  const waiting = (await deps.host?.reload())?.waiting ?? []
  const { generation, applied } = await recordConfig(deps)
  if (applied.length + waiting.length > 0) deps.noteEvent('config_reloaded', { generation, applied: [...applied], waiting: [...waiting] })
  return { generation, applied, waiting }
}

/** Records nothing where the configuration is the one of the guest before. */
async function recordConfig({
  config,
  documents,
  clock,
  newId,
  sections,
  noteEvent,
  host,
}: Deps): Promise<{ readonly generation: number; readonly applied: readonly string[] }> {
  const values = valuesOf(config)
  // Where the host does not answer, the next guest records it.
  const read = await host?.guarding().catch(() => undefined)
  const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'config.taken' } as const
  let loosened: TakenView['loosened'] = []
  let taken = { generation: 1, applied: [] as readonly string[] }
  await documents.change<TakenConfig>(of, configCategory, name, (current) => {
    if (current === null) return { generation: 1, values, changes: [], loosened: [], host: read }
    const { generation, host: known } = current.value
    const state = read ?? known ?? {}
    const ofConfig = differences(current.value.values, values)
    const changes = [...ofConfig, ...differences(known ?? state, state)]
    taken = { generation: generation + (changes.length === 0 ? 0 : 1), applied: ofConfig.map(({ key }) => key) }
    if (changes.length === 0 && (known !== undefined || read === undefined)) return undefined
    const schema = configJsonSchema(configSchemaWith(sections))
    const at = clock.now()
    const [old, now] = [current.value.values, values].map((each) => new Map(Object.entries(each)))
    loosened = compareConfigs(schema, old!, now!)
      .filter(({ is }) => is === 'looser')
      .map(({ key, before, after }) => ({ key: keyText(key), before: before ?? null, after: after ?? null, at }))
      .concat(differences(known ?? state, state).flatMap((each) => (isLoosened(each) ? [{ ...each, at }] : [])))
    const remembered = [...loosened, ...current.value.loosened.filter((each) => at - each.at < remindedMs)].slice(0, maxLoosened)
    if (changes.length === 0) return { ...current.value, host: state }
    return { generation: generation + 1, values, changes, loosened: remembered, host: state }
  })
  host?.tookUp(taken.generation)
  for (const { key, before, after } of loosened) noteEvent('config_loosened', { key, before, after })
  return taken
}

/** @returns what the newest generation is; of a guest that has recorded none, generation 0 */
export async function newestConfig({ documents, clock }: Pick<Core, 'documents' | 'clock'>): Promise<TakenView> {
  const taken = await documents.get<TakenConfig>(configCategory, name)
  if (taken === null) return { generation: 0, changes: [], loosened: [] }
  const { generation, changes, loosened, values, host = {} } = taken.value
  const stands = ({ key, after, at }: TakenView['loosened'][number]): boolean =>
    clock.now() - at < remindedMs && JSON.stringify(ownValue(values, key) ?? ownValue(host, key) ?? null) === JSON.stringify(after)
  return { generation, changes, loosened: loosened.filter(stands) }
}

/** @returns keys to which the files give another value than the newest that a guest has taken up; empty where none is recorded */
export async function differingKeys(store: Pick<Store, 'document'>, config: Config, now: HostState | null): Promise<readonly string[]> {
  const row = await store.document(configCategory, name)
  if (row === null) return []
  const { values, host } = JSON.parse(row.body) as TakenConfig
  const others = host === undefined || now === null ? [] : differences(host, now)
  // In system mode root alone has the settings of users, and does not tell them here.
  const isTold = now !== null && Object.keys(now).some((key) => key.startsWith('user.'))
  const known = others.filter(({ key }) => isTold || !key.startsWith('user.'))
  return [...differences(values, valuesOf(config)), ...known].map(({ key }) => key)
}

/** A folder that agents see or may write now, and a plugin that is new or may do more. */
function isLoosened({ key, before, after }: TakenView['changes'][number]): boolean {
  if (!isObject(after)) return false
  const was = isObject(before) ? before : null
  if (key.startsWith('folders.')) return was?.['path'] !== after['path'] || (was?.['read_only'] === true && after['read_only'] === false)
  if (!key.startsWith('enabled_plugins.')) return false
  return was === null || !areRightsWithin(after['rights'] as readonly string[], was['rights'] as readonly string[])
}

function valuesOf(config: Config): TakenConfig['values'] {
  const values: Record<string, Json> = {}
  for (const [key, value] of flatConfig(config)) setOwn(values, keyText(key), recorded(key, value))
  return values
}

function differences(before: TakenConfig['values'], after: TakenConfig['values']): TakenView['changes'] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((key) => ({ key, before: ownValue(before, key) ?? null, after: ownValue(after, key) ?? null }))
    .filter((each) => JSON.stringify(each.before) !== JSON.stringify(each.after))
}

/** Keys whose texts may hold a secret, although they should not: the journal has a hash of them, which tells that they changed. */
const mayHoldSecrets = /(?:^|\.)(?:url|base_url|headers|args|command|client_secret)(?:\.|$)|\.env\./

function recorded(key: readonly string[], value: Json): Json {
  const text = JSON.stringify(value)
  if (!mayHoldSecrets.test(key.join('.')) || ['""', '[]', '{}', 'null'].includes(text)) return value
  return `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
}
