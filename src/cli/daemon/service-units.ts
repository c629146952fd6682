/**
 * What each system wants to know of a service: a unit of systemd, a property list of launchd, a task of Windows. Only systemd's were tried with
 * the program that reads them.
 */

import { daemonFlags } from '../../runner/index.ts'

export type Manager = 'systemd' | 'launchd' | 'windows'

export interface Unit {
  /** Where it belongs; for Windows a file that is only read once. */
  readonly path: string
  readonly text: string
}

export interface UnitOptions {
  readonly manager: Manager
  readonly isSystem: boolean
  /** Node, and the file of the daemon. */
  readonly node: string
  readonly program: string
  /** Home folder of the person, and of Oxbow. */
  readonly home: string
  readonly oxbowHome: string
  /** `XDG_CONFIG_HOME`, or empty. */
  readonly configHome: string
}

export const unitName = 'oxbow.service'
export const launchdLabel = 'ai.oxbow.daemon'
export const taskName = 'Oxbow'

export function unitOf(options: UnitOptions): Unit {
  const { manager, isSystem, node, program } = options
  const command = [node, ...daemonFlags, program, ...(isSystem ? ['--system'] : [])]
  if (manager === 'systemd') return isSystem ? systemUnit(command, options) : userUnit(command, options)
  return manager === 'launchd' ? propertyList(command, options) : task(command, options)
}

/** systemd.service(5), "Command lines": quotes, and no specifiers and variables. */
function quoted(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

/** Of an `Environment=` line, in which a dollar is a dollar. */
function assigned(name: string, value: string): string {
  return `"${name}=${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`
}

const service = (command: readonly string[]): string => `[Service]
Type=exec
ExecStart=${command.map(quoted).join(' ')}
Environment=MALLOC_ARENA_MAX=1
Restart=always
RestartSec=1
# The daemon ends its guests itself; what is left is killed.
KillMode=mixed
TimeoutStopSec=45
# Limits of users and of sandboxes are control groups below this unit.
Delegate=cpu memory pids`

/** A daemon whose package was removed is not started again and again. Such a line has no quotes. */
const head = (program: string, after: string): string => `[Unit]
Description=Oxbow, which runs AI agents
${after}ConditionPathExists=${program.replaceAll('%', '%%')}
StartLimitIntervalSec=0
`

function userUnit(command: readonly string[], { program, home, oxbowHome, configHome }: UnitOptions): Unit {
  return {
    path: `${configHome || `${home}/.config`}/systemd/user/${unitName}`,
    text: `${head(program, '')}
${service(command)}
Environment=${assigned('OXBOW_HOME', oxbowHome)}
NoNewPrivileges=no

[Install]
WantedBy=default.target
`,
  }
}

function systemUnit(command: readonly string[], { program }: UnitOptions): Unit {
  return {
    path: `/etc/systemd/system/${unitName}`,
    text: `${head(program, 'After=network.target nss-user-lookup.target\n')}
${service(command)}
StateDirectory=oxbow
StateDirectoryMode=0711
UMask=0077
OOMPolicy=continue
# Becomes each user, owns what is made for them, ends their processes, sets their quota.
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE CAP_KILL CAP_SYS_ADMIN
ProtectSystem=strict
ReadWritePaths=/sys/fs/cgroup -/home -/srv -/mnt -/media
PrivateTmp=yes
ProtectClock=yes
ProtectKernelModules=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# Left open, because sandboxes of users are made of it: user namespaces, and a /proc with nothing mounted over it. And MemoryDenyWriteExecute,
# because JavaScript is compiled.

[Install]
WantedBy=multi-user.target
`,
  }
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function propertyList(command: readonly string[], { isSystem, home, oxbowHome }: UnitOptions): Unit {
  const variables = isSystem ? '' : `    <key>OXBOW_HOME</key><string>${xml(oxbowHome)}</string>\n`
  return {
    path: isSystem ? `/Library/LaunchDaemons/${launchdLabel}.plist` : `${home}/Library/LaunchAgents/${launchdLabel}.plist`,
    text: `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${launchdLabel}</string>
  <key>ProgramArguments</key>
  <array>
${command.map((word) => `    <string>${xml(word)}</string>`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}    <key>PATH</key><string>/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin</string>
  </dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><true/>
  <key>ProcessType</key><string>Background</string>
  <key>ExitTimeOut</key><integer>45</integer>
</dict>
</plist>
`,
  }
}

/** CommandLineToArgvW: a quote and the backslashes before it are escaped. */
function windowsQuoted(word: string): string {
  return /^[\w.:\\/=-]+$/.test(word) ? word : `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`
}

function task([file, ...args]: readonly string[], { isSystem, oxbowHome }: UnitOptions): Unit {
  const trigger = isSystem ? 'BootTrigger' : 'LogonTrigger'
  const principal = isSystem ? '<UserId>S-1-5-18</UserId>' : '<LogonType>InteractiveToken</LogonType>'
  return {
    path: `${oxbowHome}\\runner\\oxbow-task.xml`,
    text: `<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Oxbow, which runs AI agents</Description></RegistrationInfo>
  <Triggers><${trigger}><Enabled>true</Enabled></${trigger}></Triggers>
  <Principals><Principal id="Author">${principal}<RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>${xml(file ?? '')}</Command><Arguments>${xml(args.map(windowsQuoted).join(' '))}</Arguments></Exec>
  </Actions>
</Task>
`,
  }
}
