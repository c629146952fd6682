/**
 * A manifest for a package without one, such as elizaOS's: a person narrows it before it is approved. It is made from what its files say
 * and nothing of it is run, so it is a proposal: code can hide a host or a setting from every search, and then it does not reach it.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import { isObject, type Json, type JsonObject, ownValue, OxbowError, parseObject } from '../../base/index.ts'
import { isInside, sdkVersion } from './manifest.ts'

export interface ProposedManifest {
  /** As JSON, to be written into `oxbow.plugin.json`. */
  readonly text: string
  /** What a person should know before narrowing it. */
  readonly findings: {
    /** Of this package, without what it depends on. */
    readonly bytes: number
    readonly files: number
    /** Builtins of Node: `fs` and `child_process` reach only what the sandbox shows. */
    readonly builtins: readonly string[]
    readonly packages: readonly string[]
    /** Settings that its code asks for; those that are secrets are rights. */
    readonly settings: readonly string[]
    readonly secrets: readonly string[]
    /** From addresses in its code. If there are more than a person can judge, the manifest names no hosts. */
    readonly hosts: readonly string[]
  }
}

/** Bytes of one file that are searched, and files: bundles have megabytes in a handful of files. */
const maxSearchedBytes: number = 16 * 1024 * 1024
const maxSearchedFiles = 2_000
const maxProposed = 60
const maxProposedHosts = 20
const maxShownHosts = 300
/** US dollars: enough to try it, too little to hurt. */
const proposedSpend = 1

/** @param folder of the package @throws OxbowError `not_found` for a folder without package.json, `bad_input` for one without an entry */
export async function proposeManifest(folder: string): Promise<ProposedManifest> {
  const about = parseObject(await readFile(join(folder, 'package.json'), 'utf8').catch(() => ''))
  if (about === null)
    throw new OxbowError('not_found', 'The package has neither oxbow.plugin.json nor package.json.', {
      hint: 'Write a manifest: docs/plugins.md.',
    })
  const entry = entryOf(about)
  if (entry === '')
    throw new OxbowError('bad_input', 'package.json names no entry of the package.', { hint: 'Write a manifest: docs/plugins.md.' })
  const { files, bytes, texts } = await searchable(folder, entry)
  const declared = parametersOf(about)
  const code = texts.join('\n')
  const asked = all(code, /\b(?:getSetting|getEnv\w*)\s*\([^)"'`]{0,40}["'`]([A-Z][A-Z0-9_]{1,80})["'`]/g)
  const settings = [...new Set([...Object.keys(declared), ...asked, ...all(code, /\bprocess\.env(?:\.|\[["'])([A-Z][A-Z0-9_]{1,80})/g)])]
    .filter((name) => /^[A-Za-z_]\w{0,99}$/.test(name) && !commonVariables.has(name))
    .toSorted()
  const secrets = settings.filter((name) => isSecret(name, ownValue(declared, name))).slice(0, maxProposed)
  const imported = all(code, /(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*["']([@\w][\w@./:-]{0,120})["']/g)
  const hosts = [...new Set(all(code, addresses))].filter(isReal).toSorted().slice(0, maxShownHosts)
  const isEliza = imported.includes('@elizaos/core') || dependsOn(about, '@elizaos/core')
  const manifest = {
    name: nameOf(about),
    version: typeof about['version'] === 'string' ? about['version'] : '0.0.0',
    description: oneLine(about['description']),
    sdk: isEliza ? '^1.7.2' : `^${sdkVersion}`,
    program: isEliza ? 'eliza-host' : 'plugin-host',
    entry: [entry],
    configSchema: schemaOf(
      settings.filter((name) => !secrets.includes(name)),
      declared,
      isEliza,
    ),
    rights: {
      hosts: hosts.length > maxProposedHosts ? [] : hosts,
      secrets,
      memory: 'own',
      models: isEliza ? ['*'] : [],
      // Models have a price: who may spend nothing is refused all of them.
      spend_per_day: isEliza ? proposedSpend : 0,
    },
  }
  const builtins = imported.flatMap((name) => (builtin.has(name.replace(/^node:/, '')) ? [name.replace(/^node:/, '')] : []))
  const packages = imported.filter((name) => !builtin.has(name.replace(/^node:/, ''))).map(packageOf)
  const findings = {
    bytes,
    files,
    builtins: [...new Set(builtins)].toSorted(),
    packages: [...new Set(packages)].toSorted().slice(0, maxProposed),
    settings,
    secrets,
    hosts,
  }
  return { text: `${JSON.stringify(manifest, null, 2)}\n`, findings }
}

/** What the import of a package loads, by its package.json. */
function entryOf({ exports, module, main }: JsonObject): string {
  const own = isObject(exports) && '.' in exports ? exports['.'] : exports
  const pick = (value: Json | undefined, depth: number): string => {
    if (typeof value === 'string') return value
    if (!isObject(value) || depth > 4) return ''
    for (const condition of ['node', 'import', 'default', 'require']) {
      const found = pick(ownValue(value, condition), depth + 1)
      if (found !== '') return found
    }
    return ''
  }
  const found = (pick(own, 0) || pick(module, 0) || pick(main, 0)).replace(/^\.\//, '')
  return found !== '' && isInside(found) ? found : ''
}

interface Searched {
  readonly files: number
  readonly bytes: number
  readonly texts: readonly string[]
}

/** Code in the folder of the entry: a build for browsers next to it is not what runs here. */
async function searchable(folder: string, entry: string): Promise<Searched> {
  let files = 0
  let bytes = 0
  const texts: string[] = []
  const below = entry.includes('/') ? entry.slice(0, entry.lastIndexOf('/')) : ''
  const walk = async (at: string): Promise<void> => {
    for (const each of await readdir(at, { withFileTypes: true })) {
      const path = join(at, each.name)
      if (each.isDirectory() && each.name !== 'node_modules') await walk(path)
      if (!each.isFile() || files >= maxSearchedFiles) continue
      const { size } = await stat(path)
      files += 1
      bytes += size
      const isCode = ['.js', '.mjs', '.cjs'].includes(extname(each.name)) && relative(folder, path).startsWith(below)
      if (isCode && size <= maxSearchedBytes) texts.push(await readFile(path, 'utf8'))
    }
  }
  await walk(folder)
  return { files, bytes, texts }
}

/** `agentConfig.pluginParameters` of elizaOS: settings with their descriptions. */
function parametersOf({ agentConfig }: JsonObject): Readonly<Record<string, JsonObject>> {
  const parameters = isObject(agentConfig) && isObject(agentConfig['pluginParameters']) ? agentConfig['pluginParameters'] : {}
  return Object.fromEntries(Object.entries(parameters).flatMap(([name, each]) => (isObject(each) ? [[name, each]] : [])))
}

/** @param isOpen plugins of elizaOS make names of settings (`EVM_PROVIDER_` and a chain), and read settings of the runtime and of a character */
function schemaOf(settings: readonly string[], declared: Readonly<Record<string, JsonObject>>, isOpen: boolean): JsonObject {
  if (settings.length === 0 && !isOpen) return {}
  const entries = settings.slice(0, maxProposed).map((name) => {
    const description = oneLine(Object.hasOwn(declared, name) ? declared[name]!['description'] : '')
    return [name, { type: 'string', ...(description !== '' && { description }) }] as const
  })
  return { type: 'object', properties: Object.fromEntries(entries), additionalProperties: isOpen }
}

function isSecret(name: string, parameter: JsonObject | undefined): boolean {
  if (typeof parameter?.['sensitive'] === 'boolean' && parameter['sensitive']) return true
  return /(?:^|_)(?:(?:API|PRIVATE|SECRET|ACCESS)_?KEY|TOKEN|SECRET|PASSWORD|MNEMONIC|SALT|CREDENTIALS?|(?:DATABASE|POSTGRES|REDIS|MONGO\w*)_UR[LI])$/.test(
    name,
  )
}

function nameOf({ name }: JsonObject): string {
  const plain = (typeof name === 'string' ? name : '')
    .replace(/^.*\//, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
  return plain.replace(/^[^a-z]+/, '').slice(0, 40) || 'plugin'
}

function oneLine(text: Json | undefined): string {
  return typeof text === 'string'
    ? text
        .replaceAll(/[\s\p{C}]+/gu, ' ')
        .trim()
        .slice(0, 300)
    : ''
}

function dependsOn(about: JsonObject, name: string): boolean {
  return [about['dependencies'], about['peerDependencies']].some(
    (list) => isObject(list ?? null) && Object.hasOwn(list as JsonObject, name),
  )
}

const all = (text: string, pattern: RegExp): readonly string[] => [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))]

const packageOf = (name: string): string => name.split('/', name.startsWith('@') ? 2 : 1).join('/')

const addresses = /\b(?:https?|wss?):\/\/((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?::\d{1,5})?)(?=[/"'`?#\s\\$]|$)/gi

/** Hosts that code contains as format names and in texts, and never contacts. */
function isReal(host: string): boolean {
  return !/^(?:www\.w3\.org|json-schema\.org|schemas?\.|.*\bexample\.(?:com|org|net)|github\.com|.*\.?npmjs\.com|.*\bmozilla\.org|.*\bwiki[mp]edia\.org|stackoverflow\.com|.*\bstackexchange\.com|docs\.|react(?:js)?\.(?:dev|org)$|fb\.me|feross\.org|eprint\.iacr\.org|via\.placeholder\.com|.*\.(?:test|invalid|local|localhost)(?::|$))/i.test(
    host,
  )
}

/** Variables of every program. */
const commonVariables = new Set([
  'NODE_ENV',
  'HOME',
  'PATH',
  'PWD',
  'USER',
  'DEBUG',
  'CI',
  'TZ',
  'LANG',
  'TERM',
  'NODE_DEBUG',
  'FORCE_COLOR',
  'NO_COLOR',
  'ELECTRON_RUN_AS_NODE',
  'LIBC',
  'ARM_VERSION',
  'PREBUILDS_ONLY',
])

const builtin = new Set(
  'assert async_hooks buffer child_process cluster console crypto dgram dns events fs fs/promises http http2 https inspector module net os path perf_hooks process querystring readline stream stream/promises string_decoder timers timers/promises tls tty url util v8 vm worker_threads zlib'.split(
    ' ',
  ),
)
