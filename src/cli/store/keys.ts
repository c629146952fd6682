/** `oxbow secret …` and `oxbow store encrypt|decrypt|rekey`: run offline in a guest program. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  backupRoot,
  beginKeyChange,
  endKeyChange,
  fileKeys,
  findGuest,
  type KeyPlace,
  keyPlaceOf,
  makeMasterKeys,
  takeKeyFile,
  type TakenKey,
} from '../../runner/index.ts'
import { isOxbowError, OxbowError, toFailure } from '../../base/index.ts'
import type { FileKeys, KeyQuestion, KeyReport } from '../../config/index.ts'
import type { UserKeys } from '../../cluster/index.ts'
import { type GuestChoice, guestSetup, outputOf, reportOf, withGuest } from '../guest-connection.ts'
import { readSecret } from '../input.ts'
import { guestReturnMs } from '../limits.ts'
import { assertFile } from '../own-files.ts'
import { printAnswer, printPreview, type Terminal } from '../terminal.ts'
import { formatTime, plainText } from '../../terminal/index.ts'

export interface KeyOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

type Keys = (place: Parameters<typeof makeMasterKeys>[0]) => readonly string[]

/** A first secret may come before the first start, which creates the store. */
async function ask(question: KeyQuestion, options: KeyOptions, terminal: Terminal, keys: Keys = makeMasterKeys): Promise<KeyReport> {
  try {
    return await askOnce(question, options, terminal, keys)
  } catch (error) {
    if (question.ask !== 'set' || !isOxbowError(error, 'not_found')) throw error
    await withGuest({ user: options.user, model: 'offline' }, terminal, () => Promise.resolve())
    return askOnce(question, options, terminal, keys)
  }
}

async function askOnce(question: KeyQuestion, options: KeyOptions, terminal: Terminal, keys: Keys): Promise<KeyReport> {
  const guest = guestSetup(options, terminal)
  const place = keyPlaceOf(guest)
  const masters = await withSharedKeys(place, async (shared) => {
    await shared?.make(place)
    const made = keys(place)
    if (keys !== makeMasterKeys) await shared?.give(place)
    return made
  })
  return reportOf<KeyReport>(guest, { command: 'keys', keys: question }, masters)
}

/** In a cluster, the file of a user is the same on all nodes. @param use gets null on a machine without a cluster */
async function withSharedKeys<Result>({ home, config, env }: KeyPlace, use: (shared: UserKeys | null) => Promise<Result>): Promise<Result> {
  if (!existsSync(join(home.root, 'cluster'))) return use(null)
  const { openUserKeys, storeAddress, trustFolder } = await import('../../cluster/index.ts')
  const storeUrl = storeAddress({ config: config.store, environment: env as Readonly<Record<string, string>> })
  const shared = storeUrl === '' ? null : await openUserKeys({ folder: trustFolder(home.root), storeUrl, now: Date.now })
  try {
    return await use(shared)
  } finally {
    await shared?.close()
  }
}

/** After a change of this machine's key file: in a cluster, all nodes get it. */
export function shareKeys(place: KeyPlace): Promise<void> {
  return withSharedKeys(place, async (shared) => shared?.give(place))
}

function say(report: KeyReport, text: string, options: KeyOptions, terminal: Terminal): number {
  return printAnswer(report, plainText(text), options, terminal)
}

export async function secretSet(name: string, options: KeyOptions, terminal: Terminal): Promise<number> {
  const value = await readSecret(terminal, name)
  const report = await ask({ ask: 'set', name, value }, options, terminal)
  return say(report, `Stored ${name}. ${await renewGuest(options, terminal)}`, options, terminal)
}

/** Stores several secrets, for `oxbow character import`. @returns what came of it, for people */
export async function storeSecrets(
  secrets: readonly { readonly name: string; readonly value: string }[],
  options: KeyOptions,
  terminal: Terminal,
): Promise<string> {
  for (const { name, value } of secrets) await ask({ ask: 'set', name, value }, options, terminal)
  return secrets.length === 0 ? '' : renewGuest(options, terminal)
}

/** @returns the names of all secrets that are stored */
export async function storedSecrets(options: KeyOptions, terminal: Terminal): Promise<readonly string[]> {
  try {
    return (await ask({ ask: 'list' }, options, terminal)).secrets.map(({ name }) => name)
  } catch (error) {
    // Before the first start there is no store.
    if (isOxbowError(error, 'not_found')) return []
    throw error
  }
}

/** A running guest restarts itself, to know its secrets as they are now. @returns what came of it, for people */
async function renewGuest(options: KeyOptions, terminal: Terminal): Promise<string> {
  if ((await findGuest(guestSetup(options, terminal).workspace)) === null) return 'The next guest knows it.'
  try {
    await withGuest({ user: options.user }, terminal, async ({ gateway, onConnection }) => {
      const returned = Promise.withResolvers<void>()
      onConnection(({ type }) => type === 'connected' && returned.resolve())
      await outputOf(gateway, 'guest.restart', {})
      // It ends after its answer: what comes next would meet a guest that is stopping.
      await Promise.race([returned.promise, sleep(guestReturnMs, undefined, { ref: false })])
    })
    return 'The guest that is running knows it now.'
  } catch (error) {
    return `The guest that is running does not know it yet: ${toFailure(error, 'guest_unreachable', '').message} Run oxbow restart.`
  }
}

export async function secretList(options: KeyOptions, terminal: Terminal): Promise<number> {
  const report = await ask({ ask: 'list' }, options, terminal)
  const own = report.secrets.filter(({ name }) => !name.startsWith('found.'))
  const lines = own.map(({ name, updatedAt }) => `${formatTime(updatedAt)}  ${name}`)
  return say({ ...report, secrets: own }, lines.length === 0 ? 'There are no secrets.' : lines.join('\n'), options, terminal)
}

export async function secretRemove(
  name: string,
  options: KeyOptions & { readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const missing = new OxbowError('not_found', `there is no secret ${JSON.stringify(name)}`, {
    hint: '`oxbow secret list` shows their names.',
  })
  if (options.dryRun === true) {
    const target = (await ask({ ask: 'list' }, options, terminal)).secrets.find((secret) => secret.name === name)
    if (target === undefined) throw missing
    return printPreview({ would: `remove the secret ${name}`, target }, options, terminal)
  }
  const report = await ask({ ask: 'remove', name }, options, terminal)
  if (report.changed > 0) return say(report, `Removed ${name}. ${await renewGuest(options, terminal)}`, options, terminal)
  throw missing
}

/** Changes the master key; with `data`, re-encrypts every secret under a new data key instead. */
export async function secretRotate(options: KeyOptions & { readonly data?: boolean | undefined }, terminal: Terminal): Promise<number> {
  if (options.data !== true) return changeMaster(options, terminal)
  const report = await ask({ ask: 'rotate_data' }, options, terminal)
  return say(
    report,
    `${report.changed} ${report.changed === 1 ? 'secret is' : 'secrets are'} re-encrypted under a new data key.`,
    options,
    terminal,
  )
}

export async function storeEncrypt(options: KeyOptions, terminal: Terminal): Promise<number> {
  const report = await ask({ ask: 'encrypt' }, options, terminal)
  const text = 'The store is encrypted. Set store.encrypt = true to keep it encrypted.\nEarlier copies and backups are not encrypted.'
  return say(report, text, options, terminal)
}

export async function storeDecrypt(options: KeyOptions, terminal: Terminal): Promise<number> {
  const report = await ask({ ask: 'decrypt' }, options, terminal)
  return say(report, 'The store is no longer encrypted. Set store.encrypt = false.', options, terminal)
}

/** Resumable: both keys are kept until everything uses the new one. */
export async function changeMaster(options: KeyOptions, terminal: Terminal): Promise<number> {
  const place = keyPlaceOf(guestSetup(options, terminal))
  const report = await ask({ ask: 'change_master' }, options, terminal, beginKeyChange)
  endKeyChange(place)
  await shareKeys(place)
  const file = report.encrypted ? ' The file is re-encrypted.' : ''
  const sealed = report.changed > 0 ? ' The data key of your secrets is wrapped with it.' : ''
  return say(report, `There is a new master key.${file}${sealed} The old one no longer opens anything.`, options, terminal)
}

/**
 * The keys that open a backup: this home's, and one that the person gives.
 * @param file a key file of a user (`runner/keys/USER.json`) or a signing key (`signing-key.pem`) of the home that made the backup. A key
 * file becomes the one of this home, because the restored secrets and database are sealed with it.
 * @param replace whether this home may have another key, which is then put aside with what it seals
 * @throws OxbowError `not_found`, `bad_input` for another kind of file, or if this home has another key
 */
export function restoreKeys(
  place: KeyPlace,
  file: string | undefined,
  replace: boolean,
): { readonly files: FileKeys; readonly taken?: TakenKey } {
  const files = fileKeys(place)
  if (file === undefined) return { files }
  const text = readKey(file)
  const pem = text.includes('PRIVATE KEY') ? parsePem(text, file) : null
  if (pem !== null) return { files: { ...files, keys: [...files.keys, { key: backupRoot(pem), file }] } }
  const taken = takeKeyFile(place, text, file, replace)
  const own = files.keys.filter(({ key }) => !taken.keys.includes(key))
  const from = join(place.home.runner, 'keys', `${place.user}.json`)
  return { files: { ...files, keys: [...taken.keys.map((key) => ({ key, file: from })), ...own] }, taken }
}

function readKey(file: string): string {
  assertFile(file, 'Name the file that `oxbow backup` named.')
  if (existsSync(file)) return readFileSync(file, 'utf8')
  throw new OxbowError('not_found', `There is no key file ${file}.`, { hint: 'Name the file that `oxbow backup` named.' })
}

function parsePem(text: string, file: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw new OxbowError('bad_input', `${file} is not a signing key of Oxbow.`, { hint: 'Name the file that `oxbow backup` named.', cause })
  }
}
