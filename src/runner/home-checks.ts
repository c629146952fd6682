/** What `oxbow doctor` finds of a home that is open: layers of the configuration, keys, signed heads, plugins and logs. It changes nothing. */
import { createPublicKey } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { asSentence, toFailure } from '../base/index.ts'
import { checkHeads, type DoctorCheck } from '../protocol/index.ts'
import { everyLine, readLog } from '../logs/index.ts'
import { configFiles, readLayers } from './config/config-layers.ts'
import type { GuestSetup } from './guest.ts'
import { readHeads } from './heads/heads-file.ts'
import { lockPath } from './home.ts'
import { masterKeys } from './master-keys.ts'
import { signingKey } from './signing-key.ts'
import { logFolders } from './shown-log.ts'

type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>
type Opened = Pick<GuestSetup, 'home' | 'workspace' | 'config' | 'overrides' | 'env'>

const ok = (says: string): Finding => ({ state: 'ok', says, fix: '' })
const weak = (says: string, fix: string): Finding => ({ state: 'weak', says, fix })
const missing = (says: string, fix: string): Finding => ({ state: 'missing', says, fix })

/** Never throws. */
export async function* checkHome(setup: Opened): AsyncGenerator<DoctorCheck> {
  const checks: readonly (readonly [name: string, check: () => Promise<Finding>])[] = [
    ['layers', async () => checkLayers(setup)],
    ['keys', async () => checkKeys(setup)],
    ['signed heads', async () => checkSigned(setup)],
    ['plugins.lock', () => checkPluginLock(setup)],
    ['logs', async () => checkLogs(setup)],
  ]
  for (const [name, check] of checks) {
    const began = performance.now()
    const finding = await tried(check)
    yield { name, ...finding, required: false, ms: Math.round(performance.now() - began) }
  }
}

async function tried(check: () => Promise<Finding>): Promise<Finding> {
  try {
    return await check()
  } catch (error) {
    const { message, hint } = toFailure(error, 'bad_config', 'Check that you own the home and can read it.')
    return weak(message, hint)
  }
}

/** The files that count, and keys in them that no layer has. */
function checkLayers({ home, workspace, overrides }: Opened): Finding {
  const unknown = readLayers(home, workspace, overrides).flatMap((layer) => layer.unknown)
  const files = configFiles(home, workspace).flatMap(({ path, found }) => (found ? [path] : []))
  const variables = Object.keys(home.variables)
  const counting = ['defaults', ...files, ...variables].join(' < ')
  if (unknown.length === 0) return ok(counting)
  return weak(`${asSentence(unknown.join('; '))} It has no effect.`, 'oxbow config validate')
}

/** Keys of the store and of secrets, and the one that signs. */
function checkKeys({ home, workspace: { user, root }, config, env }: Opened): Finding {
  const masters = masterKeys({ home, user, config, env })
  if (config.store.encrypt && masters.length === 0 && existsSync(join(root, 'internal', 'oxbow.db')))
    return missing('the store is encrypted, and its key is not here', 'Restore runner/keys from a backup of this home.')
  if (existsSync(join(home.runner, 'signing-key.pem'))) signingKey(home)
  return ok(masters.length === 0 ? 'nothing is encrypted' : 'the master key can be read')
}

/** Whether the heads are those that this runner has signed, one behind the other. `oxbow audit verify` holds the journal against them. */
function checkSigned({ home, workspace: { user } }: Opened): Finding {
  const { lines, count } = readHeads(home, user)
  if (lines.length === 0) return ok('none yet')
  if (!existsSync(join(home.runner, 'signing-key.pem')))
    return missing('the key that has signed them is gone', 'Restore runner/signing-key.pem from a backup of this home.')
  const { heads, faults } = checkHeads(user, { lines, count }, createPublicKey(signingKey(home)))
  const [first] = faults
  if (first === undefined) return ok(`${lines.length}, the newest over record ${heads.at(-1)?.seq ?? 0}`)
  return missing(`they do not hold at record ${first.seq}: ${first.why}`, 'Copy the home before anything else, then: oxbow audit verify')
}

async function checkPluginLock({ home, config }: Opened): Promise<Finding> {
  if (!existsSync(lockPath(home))) return ok('none is installed')
  const { listPlugins, versionFolder } = await import('./plugins/installed-plugins.ts')
  const { readLock } = await import('./plugins/lock-file.ts')
  const problems: string[] = []
  const enabled = listPlugins(home, config, (text) => void problems.push(text))
  for (const plugin of readLock(home).plugins)
    if (!existsSync(versionFolder(home, plugin))) problems.push(`the files of ${plugin.manifest.name} are gone`)
  if (problems.length === 0) return ok(`${enabled.length} enabled`)
  return weak(problems.join('; '), 'oxbow plugin list')
}

const dayMs = 86_400_000
/** Of errors that are looked for. */
const mostLines = 1_000

function checkLogs({ home, workspace }: Opened): Finding {
  const folders = [workspace.logs, join(home.runner, 'logs')].filter((folder) => existsSync(folder))
  const bytes = folders
    .flatMap((folder) => readdirSync(folder).map((name) => statSync(join(folder, name)).size))
    .reduce((sum, size) => sum + size, 0)
  const since = Date.now() - dayMs
  const errors = readLog(logFolders(home, workspace), { ...everyLine, level: 'error', since }, mostLines)
  const size = `${(bytes / 1e6).toFixed(1)} MB`
  if (errors.length === 0) return ok(`${size}, no error within a day`)
  const last = errors.at(-1)!
  return weak(
    `${errors.length === mostLines ? `${mostLines} or more` : errors.length} errors within a day, the newest: ${last.msg.split('\n', 1)[0]}`,
    'oxbow logs --level error --since 1d',
  )
}
