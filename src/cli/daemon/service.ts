/** `oxbow service`: the daemon as a service of the system, and what of the system it lacks. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { askDaemon, controlPlaceOf, homeRoot } from '../../runner/index.ts'
import { OxbowError, writeWhole } from '../../base/index.ts'
import { formatTime, plainText } from '../../terminal/index.ts'
import { printAnswer, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { launchdLabel, type Manager, taskName, type Unit, unitName, unitOf } from './service-units.ts'

interface ServiceOptions {
  readonly system?: boolean | undefined
  readonly for?: Manager | undefined
  readonly print?: boolean | undefined
  readonly json?: boolean | undefined
}

export async function serviceInstall(options: ServiceOptions, terminal: Terminal): Promise<number> {
  const isSystem = options.system === true
  const manager = options.for ?? ownManager()
  const unit = unitFor(options, terminal)
  if (options.print === true) {
    terminal.output.write(unit.text)
    return 0
  }
  assertHere(manager, isSystem)
  mkdirSync(dirname(unit.path), { recursive: true })
  writeWhole(unit.path, unit.text, 0o644)
  for (const command of commandsOf(manager, isSystem, unit).install) await run(command)
  // A manager has started it when its program runs; whoever types the next verb wants it to answer.
  const { socket } = controlPlaceOf(terminal.env, isSystem)
  for (let waitedMs = 0; waitedMs < readyMs && (await askDaemon(socket, 'health', {}).catch(() => null)) === null; waitedMs += 100)
    await sleep(100)
  for (const line of await lacks(manager, isSystem)) printNotice(terminal, `notice: ${plainText(line)}`)
  const users = isSystem ? 'Add users: oxbow user add NAME' : 'Start Oxbow for yourself: oxbow start'
  return printAnswer(
    { installed: unit.path, manager },
    plainText(`The daemon is installed and runs: ${unit.path}\n${users}`),
    options,
    terminal,
  )
}

export async function serviceUninstall(options: ServiceOptions, terminal: Terminal): Promise<number> {
  const isSystem = options.system === true
  const manager = options.for ?? ownManager()
  const unit = unitFor(options, terminal)
  const { uninstall } = commandsOf(manager, isSystem, unit)
  if (options.print === true) {
    for (const command of uninstall) printLine(terminal, command.join(' '))
    printLine(terminal, `rm ${unit.path}`)
    return 0
  }
  assertHere(manager, isSystem)
  const wasThere = existsSync(unit.path)
  // It may be stopped, or half installed.
  for (const command of uninstall) await run(command).catch(() => {})
  rmSync(unit.path, { force: true })
  const said = wasThere ? `The daemon is stopped, and ${unit.path} is removed. What users have stays.` : 'The daemon was not installed.'
  return printAnswer({ uninstalled: wasThere }, plainText(said), options, terminal)
}

export async function serviceStatus(options: ServiceOptions, terminal: Terminal): Promise<number> {
  const { socket, mode } = options.system === true ? controlPlaceOf(terminal.env, true) : controlPlaceOf(terminal.env)
  const health = await askDaemon(socket, 'health', {}).catch(() => null)
  const isSystem = mode === 'system'
  const unit = unitFor({ ...options, system: isSystem }, terminal)
  const isInstalled = existsSync(unit.path)
  const missing = await lacks(ownManager(), isSystem)
  if (options.json === true) {
    printLine(
      terminal,
      JSON.stringify({ running: health !== null, installed: isInstalled, unit: unit.path, missing, ...(health !== null && { health }) }),
    )
    return 0
  }
  if (health === null)
    printText(terminal, `The daemon does not run. ${isInstalled ? '' : 'It is installed by: oxbow service install'}`.trimEnd())
  else {
    const { pid, version, since, users, running, memory_mb: memory, problems } = health
    printText(terminal, `The daemon runs since ${formatTime(since)}: process ${pid}, version ${version}, ${memory} MB`)
    printText(terminal, `${running} of ${users} users run; \`oxbow status --all\` lists them`)
    for (const problem of problems) printText(terminal, plainText(problem))
  }
  printText(terminal, isInstalled ? `unit     ${unit.path}` : 'unit     not installed')
  for (const line of missing) printText(terminal, plainText(line))
  return 0
}

function ownManager(): Manager {
  return process.platform === 'darwin' ? 'launchd' : process.platform === 'win32' ? 'windows' : 'systemd'
}

function unitFor({ for: manager = ownManager(), system }: ServiceOptions, { env }: Pick<Terminal, 'env'>): Unit {
  const isBuilt = import.meta.url.endsWith('.js')
  return unitOf({
    manager,
    isSystem: system === true,
    node: process.execPath,
    program: fileURLToPath(new URL(isBuilt ? './oxbowd.js' : '../../runner/daemon/main.ts', import.meta.url)),
    home: env['HOME'] || homedir(),
    oxbowHome: homeRoot(env),
    configHome: env['XDG_CONFIG_HOME'] ?? '',
  })
}

/** @throws OxbowError where the manager is not this machine's, or does not run */
function assertHere(manager: Manager, isSystem: boolean): void {
  if (manager !== ownManager()) {
    throw new OxbowError('bad_input', `${manager} is not what starts services here`, {
      hint: 'Add --print, and install it where it belongs.',
    })
  }
  if (isSystem && process.getuid?.() !== 0) {
    throw new OxbowError('denied', 'a service of the machine is installed by root', { hint: 'Run `sudo oxbow service install --system`.' })
  }
  if (manager === 'systemd' && !existsSync('/run/systemd/system')) {
    throw new OxbowError('bad_config', 'systemd does not run here, so it cannot start the daemon', {
      hint: `Let what starts services here run oxbowd${isSystem ? ' --system' : ''}. \`oxbow service install --print\` prints the unit.`,
    })
  }
}

interface Commands {
  readonly install: readonly (readonly string[])[]
  readonly uninstall: readonly (readonly string[])[]
}

function commandsOf(manager: Manager, isSystem: boolean, { path }: Unit): Commands {
  if (manager === 'systemd') {
    const systemctl = ['systemctl', ...(isSystem ? [] : ['--user'])]
    return {
      install: [
        [...systemctl, 'daemon-reload'],
        [...systemctl, 'enable', unitName],
        [...systemctl, 'restart', unitName],
      ],
      uninstall: [[...systemctl, 'disable', '--now', unitName]],
    }
  }
  if (manager === 'launchd') {
    const domain = isSystem ? 'system' : `gui/${process.getuid?.() ?? 0}`
    return { install: [['launchctl', 'bootstrap', domain, path]], uninstall: [['launchctl', 'bootout', `${domain}/${launchdLabel}`]] }
  }
  return {
    install: [
      ['schtasks', '/Create', '/F', '/TN', taskName, '/XML', path],
      ['schtasks', '/Run', '/TN', taskName],
    ],
    uninstall: [
      ['schtasks', '/End', '/TN', taskName],
      ['schtasks', '/Delete', '/F', '/TN', taskName],
    ],
  }
}

/** @returns what keeps a service of a person from running, or its limits from holding, each with what to do */
async function lacks(manager: Manager, isSystem: boolean): Promise<readonly string[]> {
  if (manager !== 'systemd' || isSystem || !existsSync('/run/systemd/system')) return []
  const { username, uid } = userInfo()
  const lingers = await output(['loginctl', 'show-user', username, '--property=Linger', '--value']).catch(() => '')
  const controllers = textOf(`/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/cgroup.controllers`).split(/\s+/)
  const notGiven = ['cpu', 'memory', 'pids'].filter((name) => !controllers.includes(name))
  return [
    ...(lingers.trim() === 'yes'
      ? []
      : [`lingering is off: the daemon ends when you log out. To let it run: loginctl enable-linger ${username}`]),
    ...(notGiven.length === 0
      ? []
      : [
          `control groups for ${notGiven.join(', ')} are not delegated to you, so sandboxes have weaker limits. As root: mkdir -p /etc/systemd/system/user@.service.d && ` +
            `printf '[Service]\\nDelegate=cpu memory pids\\n' > /etc/systemd/system/user@.service.d/oxbow.conf && systemctl daemon-reload`,
        ]),
  ]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

async function run(command: readonly string[]): Promise<void> {
  await output(command).catch((error: Error & { stderr?: string }) => {
    throw new OxbowError('tool_failed', `${command.join(' ')} failed: ${plainText((error.stderr || error.message).trim().slice(0, 500))}`, {
      hint: 'The unit is written; start it as your system does.',
      cause: error,
    })
  })
}

function output([file = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: commandMs }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(Object.assign(error, { stderr })),
    )
  })
}

/** From its start to its first answer; a machine that boots is busy. */
const readyMs = 20_000
/** A daemon that restarts ends its guests first. */
const commandMs = 60_000
