/** What the rights of a manifest are as entries of rights, which the gate judges, and what an update changes about them. */
import { expandRights, type HostedPlugin, type PluginExports, type PluginManifest, type PluginRights } from '../../protocol/index.ts'

/** Tag of the memories of a plugin whose memory is `own`. */
export const memoryTag = (plugin: string): string => `plugin.${plugin}`

/** @returns entries of rights: what of its calls the gate allows, for a caller who has them as well */
export function rightEntries({ name, rights }: Pick<PluginManifest, 'name' | 'rights'>): readonly string[] {
  const { calls, hosts, secrets, paths, memory, models } = rights
  // Named hosts limit a right to the web that has no limits of its own.
  const isLimitedBy = (right: string): boolean => right === 'web.read' && hosts.length > 0
  const tag = memory === 'own' ? `:${memoryTag(name)}` : ''
  const writable = paths.filter(({ mode }) => mode === 'write')
  const entries = [
    ...expandRights(calls).filter((right) => !isLimitedBy(right)),
    ...hosts.map((host) => `web.read:${host.replace(/:\d+$/, '')}`),
    ...secrets.map((secret) => `secret.use:${secret}`),
    ...paths.map(({ path }) => `file.read:${path}`),
    ...writable.map(({ path }) => `file.write:${path}`),
    ...(memory === 'none' ? [] : [`memory.read${tag}`]),
    ...(memory === 'own' || memory === 'write' ? [`memory.write${tag}`] : []),
    ...models.map((model) => (model === '*' ? 'model.use' : `model.use:${model}`)),
    ...(models.length === 0 ? [] : ['text.embed']),
  ]
  return [...new Set(entries)].toSorted()
}

/** Rights as people read them, one a line; each is a thing of its own, so that two lists can be compared. */
export function rightLines(rights: PluginRights): readonly string[] {
  const { calls, hosts, secrets, paths, memory, models, spend_per_day: spend, hooks, public_routes: open } = rights
  const memories = {
    none: [],
    own: ['keep memories of its own'],
    read: ['read all memories'],
    write: ['read all memories', 'write all memories'],
  }
  return [
    ...calls.map((right) => `make calls with the right ${right}`),
    ...hosts.map((host) => `reach ${host}`),
    ...secrets.map((secret) => `know the secret ${secret}`),
    ...paths.flatMap(({ path, mode }) => [`read files in ${path}`, ...(mode === 'write' ? [`write files in ${path}`] : [])]),
    ...memories[memory],
    ...models.map((model) => `${model === '*' ? 'ask any model' : `ask the model ${model}`}${spend > 0 ? '' : ', if it costs nothing'}`),
    ...hooks.map((step) => `see, change and refuse what happens at ${step}`),
    ...open.map((path) => `answer anybody, without a key, at ${path}`),
    ...(spend > 0 ? [`spend $${spend} a day`] : []),
  ]
}

export interface RightChanges {
  /** Lines of rights that the new version has and the old one has not. Empty: it may do nothing that the old one may not. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** @param before null: there is no old version */
export function compareRights(before: PluginRights | null, after: PluginRights): RightChanges {
  const old = before === null ? [] : rightLines(before)
  const now = rightLines(after)
  const isSpend = (line: string): boolean => line.startsWith('spend $')
  const spendsMore = after.spend_per_day > (before?.spend_per_day ?? 0)
  return {
    added: now.filter((line) => !old.includes(line) && (!isSpend(line) || spendsMore)),
    removed: old.filter((line) => !now.includes(line)),
  }
}

export interface ApprovedParts {
  readonly exports: PluginExports
  /** What is left out, for people. */
  readonly withheld: readonly string[]
}

/** @returns what a plugin has, without the hooks and the public routes that a person has not approved with its manifest */
export function approvedParts({ hooks = [], public_routes: open = [] }: HostedPlugin, exports: PluginExports): ApprovedParts {
  const otherHooks = exports.hooks.filter(({ step }) => !hooks.includes(step))
  const otherRoutes = exports.routes.filter((route) => route.public && !open.includes(route.path))
  if (otherHooks.length + otherRoutes.length === 0) return { exports, withheld: [] }
  return {
    exports: {
      ...exports,
      hooks: exports.hooks.filter((hook) => !otherHooks.includes(hook)),
      routes: exports.routes.map((route) => (otherRoutes.includes(route) ? { ...route, public: false } : route)),
    },
    withheld: [
      ...otherHooks.map(({ step }) => `its hook at ${step} is not run: rights.hooks does not name it`),
      ...otherRoutes.map(({ path }) => `its route ${path} needs a key: rights.public_routes does not name it`),
    ],
  }
}
