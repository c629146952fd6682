/**
 * The calls by which terminals of the owner read and change the configuration. The host has the files and checks every change; the kernel
 * carries questions, so that each is authorized and journaled as any call. No model may make these calls: a configuration decides what
 * an agent may do. The journal keeps the names of changed keys and no value, since a person may paste a key into the wrong place.
 */
import { z } from 'zod'
import { type JsonObject, OxbowError } from '../../base/index.ts'
import { type Call, defineCall, jsonObjectSchema } from '../../protocol/index.ts'
import {
  type ConfigDraft,
  configDraftSchema,
  configJsonSchema,
  type ConfigProposal,
  configProposal,
  configSchemaWith,
  configState,
  type HostPort,
} from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { newestConfig, takenConfig, takeUp } from './taken-config.ts'

interface SettingsDeps extends Pick<Core, 'host' | 'showFolders' | 'sections' | 'documents' | 'clock' | 'config' | 'newId' | 'noteEvent'> {
  readonly versions: () => Promise<OpenVersions>
}

const shownConfig = configState.extend({
  restart_problem: z.string().describe('Why the guest runs with its previous configuration; empty if it does not.'),
})

const reads = {
  tier: 'read_only',
  right: 'config.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 20_000,
} as const satisfies Partial<Call>
const writes = { ...reads, tier: 'privileged', right: 'config.write', effect: 'idempotent' } as const satisfies Partial<Call>

export function settingsCalls(deps: SettingsDeps): readonly Call[] {
  const { host, showFolders, sections, versions, documents, clock } = deps
  const port = (): HostPort => {
    if (host !== undefined) return host
    throw new OxbowError('denied', 'This guest has no way to the configuration files.', {
      hint: 'Change them on the host: oxbow config set KEY VALUE.',
    })
  }
  const taking = async (): ReturnType<typeof takeUp> => (port(), takeUp(deps))
  return [
    showCall(port),
    schemaCall(sections),
    changesCall({ documents, clock }),
    checkCall(port),
    saveCall(port),
    reloadCall(taking),
    restartCall(port),
    setSecretCall(port),
    removeSecretCall(port),
    syncFoldersCall({ showFolders, versions }),
  ]
}

type Port = () => HostPort

function showCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'config.show',
    routes: [{ method: 'GET', path: '/config' }],
    summary: 'Shows the configuration: each value with its source, the user’s file, and what a restart would change.',
    input: z.strictObject({}),
    output: shownConfig,
    example: {},
    recordOutput: ({ entries, pending }) => ({ entries: entries.length, pending: [...pending] }),
    run: async () => ({ output: { ...(await port().config()), restart_problem: port().restartProblem() } }),
  })
}

function schemaCall(sections: Core['sections']): Call {
  return defineCall({
    ...reads,
    name: 'config.schema',
    routes: [{ method: 'GET', path: '/config/schema' }],
    summary: 'Shows the JSON Schema of the configuration, with a description of each key.',
    input: z.strictObject({}),
    output: jsonObjectSchema(),
    example: {},
    recordOutput: () => ({}),
    run: async () => ({ output: configJsonSchema(configSchemaWith(sections)) }),
  })
}

function changesCall(deps: Pick<SettingsDeps, 'documents' | 'clock'>): Call {
  return defineCall({
    ...reads,
    name: 'config.changes',
    routes: [{ method: 'GET', path: '/config/changes' }],
    summary: 'Shows which configuration the guest has taken up, what it changed, and walls that were loosened within a day.',
    input: z.strictObject({}),
    output: takenConfig,
    example: {},
    recordOutput: ({ generation, loosened }) => ({ generation, loosened: loosened.length }),
    run: async () => ({ output: await newestConfig(deps) }),
  })
}

const recordDraft = ({ changes, text, last_good: lastGood }: ConfigDraft): JsonObject => ({
  ...(changes !== undefined && { keys: changes.map(({ key }) => key.join('.')) }),
  ...(text !== undefined && { characters: text.length }),
  ...(lastGood !== undefined && { last_good: lastGood }),
})

const recordProposal = ({ changes, needs_new_process: needs }: ConfigProposal): JsonObject => ({
  changed: changes.map(({ key }) => key),
  needs_new_process: [...needs],
})

function checkCall(port: Port): Call {
  return defineCall({
    ...reads,
    name: 'config.check',
    routes: [{ method: 'POST', path: '/config/check' }],
    summary: 'Checks a changed configuration without saving it, and shows what would change.',
    input: z.strictObject({ draft: configDraftSchema.describe('Changes of keys, or a whole text.') }),
    output: configProposal,
    example: { draft: { changes: [{ key: ['approval', 'mode'], value: 'manual' }] } },
    recordInput: ({ draft }) => recordDraft(draft),
    recordOutput: recordProposal,
    run: async ({ draft }) => ({ output: await port().propose(draft) }),
  })
}

function saveCall(port: Port): Call {
  return defineCall({
    ...writes,
    name: 'config.save',
    routes: [{ method: 'PUT', path: '/config' }],
    summary: 'Saves a changed configuration of the user, which takes effect with the next start or `guest.restart`.',
    input: z.strictObject({
      draft: configDraftSchema.describe('Changes of keys, or a whole text.'),
      base: z.string().length(64).describe('Hash of the text that the changes were made to, as config.show names it.'),
    }),
    output: configProposal,
    example: { draft: { changes: [{ key: ['approval', 'mode'], value: 'manual' }] }, base: '0'.repeat(64) },
    recordInput: ({ draft, base }) => ({ ...recordDraft(draft), base }),
    recordOutput: recordProposal,
    run: async ({ draft, base }) => ({ output: await port().save(draft, base) }),
  })
}

function reloadCall(taking: () => ReturnType<typeof takeUp>): Call {
  const keys = (what: string) => z.array(z.string()).readonly().describe(what)
  return defineCall({
    ...writes,
    name: 'config.reload',
    routes: [{ method: 'POST', path: '/config/reload' }],
    summary: 'Takes up what of the changed configuration files counts without a restart. Turns that run end with what they began with.',
    input: z.strictObject({}),
    output: z.strictObject({
      generation: z.int().describe('Of the configuration that the guest has now.'),
      applied: keys('Keys that count from the next turn on.'),
      waiting: keys('Keys that wait for `guest.restart`, or for `oxbow restart`.'),
    }),
    example: {},
    run: async () => ({ output: await taking() }),
  })
}

function restartCall(port: Port): Call {
  return defineCall({
    ...writes,
    name: 'guest.restart',
    routes: [{ method: 'POST', path: '/restart' }],
    summary: 'Restarts this guest with the configuration and secrets as they are now. Running turns continue afterwards.',
    input: z.strictObject({}),
    output: z.strictObject({ restarting: z.boolean() }),
    example: {},
    // Repeating it after a crash would restart a guest that has just started.
    effect: 'once',
    async run() {
      await port().restart()
      return { output: { restarting: true } }
    },
  })
}

const syncedFolders = z.strictObject({
  folders: z
    .array(z.strictObject({ name: z.string(), read_only: z.boolean(), problem: z.string() }))
    .describe('Each with why agents do not see it; empty if they do.'),
})

function syncFoldersCall({ showFolders: show, versions }: Pick<SettingsDeps, 'showFolders' | 'versions'>): Call {
  return defineCall({
    ...writes,
    name: 'folder.sync',
    summary: 'Shows agents the folders of the person that are on their list now. `oxbow folder` and `--folder` make it.',
    input: z.strictObject({}),
    output: syncedFolders,
    example: {},
    async run() {
      if (show === undefined)
        throw new OxbowError('not_found', 'This guest has no runner that keeps a list of folders.', { hint: 'Start it with oxbow.' })
      const { versioning } = await versions()
      const folders = (await versioning.whileFoldersChange(show)).map(({ name, readOnly, problem }) => ({
        name,
        read_only: readOnly,
        problem,
      }))
      return { output: { folders } }
    },
  })
}

const secretName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/)
  .describe('Name of the secret: of the variable that it stands for, e.g. `OPENAI_API_KEY`.')

const changesSecret = { ...writes, right: 'secret.write' } as const satisfies Partial<Call>

function setSecretCall(port: Port): Call {
  return defineCall({
    ...changesSecret,
    name: 'secret.set',
    routes: [{ method: 'PUT', path: '/secrets/{name}' }],
    summary: 'Stores a secret, such as the key of a model service. It is encrypted, never shown again, and known after a restart.',
    input: z.strictObject({ name: secretName, value: z.string().min(1).max(65_536).describe('The value. No record contains it.') }),
    output: z.strictObject({ name: z.string(), changed: z.boolean().describe('False: it had this value already.') }),
    example: { name: 'OPENAI_API_KEY', value: '…' },
    keepsSecret: true,
    recordInput: ({ name }) => ({ name }),
    run: async ({ name, value }) => ({ output: { name, changed: await port().setSecret(name, value.trim()) } }),
  })
}

function removeSecretCall(port: Port): Call {
  return defineCall({
    ...changesSecret,
    name: 'secret.remove',
    routes: [{ method: 'DELETE', path: '/secrets/{name}' }],
    summary: 'Removes a stored secret. A running guest knows it until it restarts.',
    input: z.strictObject({ name: secretName }),
    output: z.strictObject({ name: z.string() }),
    example: { name: 'OPENAI_API_KEY' },
    async run({ name }) {
      await port().setSecret(name, null)
      return { output: { name } }
    },
  })
}
