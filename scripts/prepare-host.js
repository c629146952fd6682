/**
 * Runs before `npm start` and `npm test`: makes sure that the sandbox can start, or says what is missing. Never fails the start:
 * without the sandbox Oxbow runs too, with file and shell tools off. It stands within these two scripts, because npm passes over
 * `prestart` and `pretest` where `.npmrc` says `ignore-scripts`. Plain JavaScript, because stripping types would double the
 * time that it takes when all is there.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs of the sandbox, and the Debian package of each. */
const needed = { bwrap: 'bubblewrap', prlimit: 'util-linux', setpriv: 'util-linux' }
/** A mirror that hangs must not hang the start for ever. */
const installTimeoutMs = 180_000

const missing = [...new Set(Object.entries(needed).flatMap(([program, name]) => (isThere(program) ? [] : [name])))]
if (process.platform === 'linux' && missing.length > 0) await provide(missing)

function isThere(program) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

async function provide(packages) {
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    const how = isThere('apt-get') ? `sudo ${command}` : `install ${packages.join(' and ')} with the package manager of this system`
    console.error(`notice: the sandbox needs ${packages.join(' and ')}; file and shell tools stay off until then.\n  ${how}`)
    return
  }
  const { spawnSync } = await import('node:child_process')
  console.error(`Installing ${packages.join(' and ')} for the sandbox …`)
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: installTimeoutMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0
  // An index that cannot be refreshed may still hold the package.
  apt('update', '-qq')
  if (apt('install', '-y', '-qq', '--no-install-recommends', ...packages)) return
  console.error(`notice: that failed; file and shell tools stay off until this works:\n  ${command}`)
}
