/**
 * What is shipped of others: the installed `dependencies` of package.json, and the libraries that the build compiles in, which are the
 * `dependencies` of bundle/package.json. All that they bring along, as the lock file has it, must be under an allowed licence, from npm's
 * registry with a hash, and there once, or there is a reason here; and no advisory may be open. Part of `npm run check`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { modules } from '../test/architecture/modules.ts'
import { type Lock, type Locked, type Manifest, nameOf, readShipped } from './package/lock-file.ts'

/** Licences that ask for no more than a notice. */
const allowedLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'MIT-0',
  // Typefaces, which may go along with any program.
  'OFL-1.1',
  'Python-2.0',
  'Unlicense',
  'Zlib',
])

const registry = 'https://registry.npmjs.org/'

/** Libraries that are shipped in several versions, and why. */
const severalVersions: Readonly<Record<string, string>> = {
  marked: 'pi-tui pins its own, and web pages have the newest',
  'highlight.js': 'lowlight, which the web application uses, asks for 11.11',
  undici: 'the client of Discord pins the sixth version, the client of Slack asks for a newer one',
  pino: 'the client of IMAP pins another version, and is given no log',
  nodemailer: 'what checks signatures of mails pins one, for its parser of addresses',
  libmime: 'the same, for words in headers',
  libqp: 'it brings its own',
  libbase64: 'the same',
  'encoding-japanese': 'the same',
  'real-require': 'two parts of pino ask for different ones, and neither runs',
  commander: 'the same, for a command line that is not shipped',
  eventemitter3: 'a queue within the client of Slack has an older one',
  '@types/retry': 'types alone, in the same way',
  'eventsource-parser': 'the clients and servers of MCP and A2A ask for the third version',
}

/** Advisories that concern nothing that is done here, by id, and why. */
const acceptedAdvisories: Readonly<Record<string, string>> = {}

const auditMs = 15_000

/** An advisory as `npm audit --json` tells it; a text names another package through which one comes. */
type Via = string | { readonly url?: string; readonly title?: string; readonly severity?: string }

/** @returns how the manifest of the bundle differs from the table of modules and package.json */
function manifestProblems(bundle: Manifest, { devDependencies = {} }: Manifest): readonly string[] {
  const { dependencies = {} } = bundle
  const compiledIn = new Set(modules.flatMap(({ buildTime }) => Object.keys(buildTime)))
  return [
    ...[...compiledIn].filter((name) => !(name in dependencies)).map((name) => `bundle/package.json lacks ${name}, which is compiled in`),
    ...Object.entries(dependencies)
      .filter(([name, version]) => devDependencies[name] !== version)
      .map(([name, version]) => `bundle/package.json has ${name} ${version}, package.json ${devDependencies[name] ?? 'does not'}`),
  ]
}

/** @param licence an expression of SPDX; one with both `AND` and `OR` must be allowed as it is */
function isAllowed(licence: string): boolean {
  if (licence.includes(' AND ') && licence.includes(' OR ')) return allowedLicences.has(licence)
  const plain = licence.replaceAll(/[()]/g, '')
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((one) => allowedLicences.has(one.trim())))
}

function packageProblems(path: string, { license = 'none', resolved = registry, integrity = '' }: Locked): readonly string[] {
  return [
    ...(isAllowed(license) ? [] : [`${path}: the licence ${license} is not allowed`]),
    ...(resolved.startsWith(registry) && integrity.startsWith('sha512-') ? [] : [`${path}: it is not from ${registry} with a hash`]),
  ]
}

function versionProblems(lock: Lock, shipped: ReadonlySet<string>): readonly string[] {
  const versions = new Map<string, Set<string>>()
  for (const path of shipped) versions.set(nameOf(path), (versions.get(nameOf(path)) ?? new Set()).add(lock[path]!.version ?? ''))
  const several = [...versions].filter(([, held]) => held.size > 1)
  return [
    ...several
      .filter(([name]) => severalVersions[name] === undefined)
      .map(([name, held]) => `${name} is shipped in the versions ${[...held].join(' and ')}`),
    ...Object.keys(severalVersions)
      .filter((name) => (versions.get(name)?.size ?? 0) < 2)
      .map((name) => `${name} is there once: remove its reason`),
  ]
}

/** @returns null where the registry does not answer */
function readAdvisories(): Readonly<Record<string, { readonly via: readonly Via[] }>> | null {
  const args = ['audit', '--json', '--fetch-retries=0', `--fetch-timeout=${auditMs}`]
  let text: string
  try {
    text = execFileSync('npm', args, { encoding: 'utf8', timeout: auditMs * 2, stdio: ['ignore', 'pipe', 'ignore'] })
  } catch (error) {
    // It also fails where there are advisories.
    text = (error as { readonly stdout?: string }).stdout ?? ''
  }
  try {
    return (JSON.parse(text) as { readonly vulnerabilities?: Record<string, { readonly via: readonly Via[] }> }).vulnerabilities ?? null
  } catch {
    return null
  }
}

function advisoryProblems(shipped: ReadonlySet<string>): readonly string[] {
  const found = readAdvisories()
  if (found === null) {
    process.stdout.write('supply: advisories not checked, the registry does not answer\n')
    return []
  }
  const names = new Set([...shipped].map(nameOf))
  return Object.entries(found).flatMap(([name, { via }]) =>
    via.flatMap((one) => {
      if (!names.has(name) || typeof one === 'string') return []
      const { url = '', title = '', severity = '' } = one
      return acceptedAdvisories[url.slice(url.lastIndexOf('/') + 1)] === undefined ? [`${name}: ${severity}: ${title} (${url})`] : []
    }),
  )
}

function sourceProblems(): readonly string[] {
  const lines = existsSync('.npmrc') ? readFileSync('.npmrc', 'utf8').split('\n') : []
  return lines
    .filter((line) => /registry\s*=/.test(line) && !line.includes(registry))
    .map((line) => `.npmrc names another registry: ${line}`)
}

const { own, bundle, lock, paths: shipped } = readShipped(new URL('..', import.meta.url))
const problems = [
  ...manifestProblems(bundle, own),
  ...sourceProblems(),
  ...[...shipped].flatMap((path) => packageProblems(path, lock[path]!)),
  ...versionProblems(lock, shipped),
  ...advisoryProblems(shipped),
]
for (const problem of problems) process.stderr.write(`supply: ${problem}\n`)
if (problems.length > 0) process.exitCode = 1
else process.stdout.write(`supply: ${shipped.size} packages of others are shipped\n`)
