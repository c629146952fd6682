/** What `oxbow plugin` does for who writes a plugin, and the check of what is installed. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import {
  createTreeCheck,
  hashOfFiles,
  listTree,
  manifestFile,
  maxSignatureBytes,
  parseManifest,
  reservedNames,
  signatureFile,
  signatureFileOf,
  signerOf,
  signPackage,
} from '../../plugins/index.ts'
import { ownValue, OxbowError } from '../../base/index.ts'
import type { LockedPlugin, PluginManifest } from '../../protocol/index.ts'
import type { Home } from '../home.ts'
import { versionFolder } from './installed-plugins.ts'

export interface CheckedFolder {
  readonly manifest: PluginManifest
  readonly tree_hash: string
  readonly signer: string
}

/** @returns what `oxbow plugin add` would install of a folder @throws OxbowError for one that it would refuse */
export async function checkFolder(folder: string): Promise<CheckedFolder> {
  const manifest = parseManifest(await readFile(join(folder, manifestFile), 'utf8'))
  const files = (await listTree(folder)).filter(({ path }) => !path.startsWith('.git/'))
  const missing = manifest.entry.find((entry) => !files.some(({ path }) => path === entry))
  if (missing !== undefined)
    throw new OxbowError('bad_input', `The entry ${missing} is not in ${folder}.`, { hint: 'Build the plugin first, or correct entry.' })
  const isSigned = files.some(({ path }) => path === signatureFile)
  const signature = isSigned ? (await readFile(join(folder, signatureFile), 'utf8')).slice(0, maxSignatureBytes) : null
  return { manifest, tree_hash: hashOfFiles(files), signer: signerOf(files, signature) }
}

/** @throws OxbowError `denied` if the files are not those that were approved, or the system's own error */
export async function verifyInstalled(home: Home, plugin: LockedPlugin): Promise<void> {
  await createTreeCheck().check(versionFolder(home, plugin), plugin.tree_hash)
}

/** Signs the folder of a plugin or a program. @param keyFile a private key in PEM; made if it does not exist @returns the public key in base64 */
export async function signFolder(folder: string, keyFile: string): Promise<{ readonly signer: string; readonly madeKey: boolean }> {
  const kind = existsSync(join(folder, 'program.toml')) ? 'program' : 'plugin'
  if (kind === 'plugin') await checkManifest(folder)
  const { key, madeKey } = await signingKeyIn(resolve(keyFile))
  const place = join(folder, signatureFileOf(kind))
  await rm(place, { force: true })
  const files = (await listTree(folder)).filter(({ path }) => !path.startsWith('.git/'))
  const text = signPackage(files, key, kind)
  await writeFile(place, text)
  return { signer: signerOf(files, text, kind), madeKey }
}

async function checkManifest(folder: string): Promise<void> {
  const text = await readFile(join(folder, manifestFile), 'utf8').catch((cause: unknown) => {
    throw new OxbowError('not_found', `${folder} has no ${manifestFile}.`, { hint: '`oxbow plugin new FOLDER` makes a plugin.', cause })
  })
  parseManifest(text)
}

async function signingKeyIn(path: string): Promise<{ readonly key: KeyObject; readonly madeKey: boolean }> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new OxbowError('bad_input', `${path} cannot be read.`, { hint: 'Name a file with a private key in PEM.', cause: error })
  })
  try {
    if (pem !== null) return { key: createPrivateKey(pem), madeKey: false }
  } catch (cause) {
    throw new OxbowError('bad_input', `${path} has no private key.`, { hint: 'It must be an Ed25519 key in PEM.', cause })
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    throw new OxbowError('bad_input', `No key can be made at ${path}.`, { hint: 'Make its folder first, or name another file.', cause })
  })
  return { key: privateKey, madeKey: true }
}

/** Makes a folder with a plugin to begin with. @returns its name @throws OxbowError `bad_input` if something is there */
export async function newPlugin(folder: string): Promise<string> {
  const name = basename(resolve(folder)).toLowerCase()
  const manifest = {
    name,
    version: '0.1.0',
    description: 'Says hello.',
    sdk: '^1.0.0',
    entry: 'index.js',
    rights: { calls: [], hosts: [], secrets: [], paths: [], memory: 'none', models: [], spend_per_day: 0, hooks: [], public_routes: [] },
  }
  assertName(name, manifest)
  try {
    await mkdir(folder)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const reasons: Readonly<Record<string, string>> = {
      EEXIST: `${resolve(folder)} exists`,
      ENOENT: `there is no folder ${dirname(resolve(folder))}`,
    }
    throw new OxbowError('bad_input', `The plugin cannot be made: ${ownValue(reasons, code ?? '') ?? message}.`, {
      hint: 'Name a new folder in one that exists.',
      cause,
    })
  }
  await writeFile(join(folder, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`)
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ name, version: '0.1.0', type: 'module', private: true }, null, 2)}\n`)
  await writeFile(join(folder, 'index.js'), entryText(name))
  return name
}

/** A plugin has its folder's name, which a person has chosen. @throws OxbowError `bad_input` */
function assertName(name: string, manifest: object): void {
  const wrong = (why: string, cause?: unknown): OxbowError =>
    new OxbowError('bad_input', `${JSON.stringify(name)} cannot be the name of a plugin: ${why}.`, {
      hint: 'Choose another name for the folder, such as weather.',
      cause,
    })
  if (reservedNames.has(name)) throw wrong('calls of Oxbow begin with it')
  try {
    parseManifest(JSON.stringify(manifest))
  } catch (cause) {
    throw wrong('a name has up to 40 lower-case letters, digits and -, and begins with a letter', cause)
  }
}

const entryText = (name: string): string => `import { definePlugin } from 'oxbow/plugin'

const hello = {
  name: 'hello',
  description: 'Greets somebody by name.',
  parameters: { type: 'object', properties: { who: { type: 'string' } }, required: ['who'], additionalProperties: false },
  // Changes nothing, so it can be repeated.
  effect: 'none',
  async handler(runtime, message, state, { parameters }) {
    return { success: true, text: \`Hello, \${parameters.who}!\` }
  },
}

export default definePlugin({
  name: '${name}',
  actions: [hello],
  // \`oxbow plugin test ${name}\` runs these in its sandbox.
  tests: [
    {
      name: 'hello',
      tests: [
        {
          name: 'greets by name',
          async fn(runtime) {
            const { text } = await hello.handler(runtime, null, {}, { parameters: { who: 'Ann' } })
            if (text !== 'Hello, Ann!') throw new Error(\`It says \${text}\`)
          },
        },
      ],
    },
  ],
})
`
