/** First part of package-main.ts, inside the machine: the package is installed, its services run, and are killed. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  allFiles,
  as,
  asCarol,
  carol,
  guestsOf,
  listBefore,
  must,
  sh,
  statusOf,
  textOf,
  until,
  type User,
  users,
} from './inside-machine.ts'

const names = Object.keys(users) as User[]
const limits = { memory: 600, processes: 120, disk: 300 }

test('apt installs the package, and it runs', () => {
  writeFileSync(listBefore, allFiles().join('\n'))
  must('DEBIAN_FRONTEND=noninteractive apt-get install --yes /opt/rig/oxbow.deb')
  assert.match(must('oxbow --version'), /^\d+\.\d+\.\d+/)
})

test('the unit of the machine comes up, and systemd has nothing to say about it', (t) => {
  assert.match(must('oxbow service install --system'), /installed and runs/)
  assert.equal(must('systemctl is-active oxbow.service').trim(), 'active')
  assert.equal(must('systemd-analyze verify oxbow.service'), '')
  t.diagnostic(must('systemd-analyze security oxbow.service | tail -1').trim())
  assert.match(must('stat -c "%U %a" /var/lib/oxbow /var/lib/oxbow/runner'), /^root 711\nroot 700/)
})

const withoutGroups = must('stat -fc %T /sys/fs/cgroup').trim() !== 'cgroup2fs' && 'this machine has control groups of version 1'
const withoutQuota = !/ \/ ext4 \S*usrquota/.test(textOf('/proc/mounts')) && 'the root is mounted without quotas'

test('two users have guests with their own ids, in groups with their own limits', (t) => {
  for (const name of names)
    must(
      `oxbow user add ${name} --memory ${limits.memory} --processes ${limits.processes} --disk ${limits.disk} --cpu-weight ${name === 'ada' ? 50 : 100}`,
    )
  must('oxbow start --all')
  for (const name of names) {
    const { pid, state } = statusOf(name)
    assert.equal(state, 'running')
    const status = textOf(`/proc/${pid}/status`)
    assert.ok(status.includes(`Uid:\t${Array.from({ length: 4 }, () => users[name]).join('\t')}\n`), status)
    assert.match(status, /^Groups:\s*$/m)
    if (withoutGroups !== false) {
      t.diagnostic(`limits were not looked at: ${withoutGroups}`)
      continue
    }
    const group = textOf(`/proc/${pid}/cgroup`).trim()
    assert.match(group, new RegExp(`^0::/system\\.slice/oxbow\\.service/(?:.*/)?oxbow-user-${name}`))
    const folder = `/sys/fs/cgroup${group.slice(3).replace(/(oxbow-user-[a-z]+).*/, '$1')}`
    const found = ['memory.max', 'pids.max', 'cpu.weight'].map((file) => textOf(`${folder}/${file}`).trim())
    assert.deepEqual(found, [String(limits.memory * 1024 ** 2), String(limits.processes), name === 'ada' ? '50' : '100'])
  }
})

test('users work in their sandboxes, with the configuration of the machine', () => {
  must(`mkdir -p /etc/oxbow && printf '[approval]\\nside_effecting = "ask"\\n' > /etc/oxbow/config.toml`)
  assert.match(must(as('bob', 'oxbow config explain approval.side_effecting')), /\/etc\/oxbow\/config\.toml/)
  must('rm /etc/oxbow/config.toml')
  for (const name of names) assert.match(must(as(name, `oxbow run --model offline 'write "of ${name}" to mine.txt'`)), /Wrote/)
  assert.match(must(`cat /var/lib/oxbow/users/bob/users/default/shared/mine.txt`), /^of bob/)
  assert.notEqual(sh(as('ada', 'cat /var/lib/oxbow/users/bob/users/default/shared/mine.txt')).exit, 0)
})

test('the quota of a user’s disk holds', { skip: withoutQuota }, () => {
  const { exit, text } = sh(as('ada', `dd if=/dev/zero of=/var/lib/oxbow/users/ada/big bs=1M count=${limits.disk + 50}`))
  assert.notEqual(exit, 0)
  assert.match(text, /[Qq]uota/)
  must('rm -f /var/lib/oxbow/users/ada/big')
})

test('a fork bomb of one user leaves the guest of the other as it is', { skip: withoutGroups }, (t) => {
  const before = Number(must('/opt/rig/node /opt/rig/inside-load.ts bob 8'))
  const { pid } = statusOf('ada')
  const [, group] = /^0::(\/\S*oxbow-user-ada)\S*\n$/.exec(textOf(`/proc/${pid}/cgroup`)) ?? []
  assert.ok(group !== undefined, 'without a limit there is no bomb')
  writeFileSync('/opt/rig/bomb.pl', 'alarm 60; while (1) { my $pid = fork(); alarm 60 if defined $pid && $pid == 0; }\n')
  must(
    `sh -c 'echo $$ > $(dirname /sys/fs/cgroup$(cut -c4- /proc/${pid}/cgroup)/x)/cgroup.procs; exec runuser -u ada -- perl /opt/rig/bomb.pl' > /dev/null 2>&1 &`,
  )
  must('sleep 3')
  const count = Number(textOf(`/sys/fs/cgroup${group}/pids.current`))
  assert.ok(count > 80 && count <= limits.processes, `${count} processes`)
  const during = Number(must('/opt/rig/node /opt/rig/inside-load.ts bob 8'))
  t.diagnostic(`${before} turns/s before, ${during} while it goes on: ${((1 - during / before) * 100).toFixed(0)} % less`)
  sh('pkill -KILL -f bomb.pl')
  // They share one processor here, and their weights are 2 to 1.
  assert.ok(during > before / 2, `${during} of ${before} turns/s`)
  assert.equal(statusOf('bob').state, 'running')
})

test('a daemon that is killed comes back with each guest once', async () => {
  const old = names.map((name) => statusOf(name).pid)
  must('kill -KILL $(systemctl show --property=MainPID --value oxbow.service)')
  const now = (): string => sh('oxbow status --all').text
  await until(
    () => names.every((name, at) => guestsOf(users[name]).length === 1 && !old.includes(guestsOf(users[name])[0]!) && old[at] !== 0),
    now,
  )
  await until(() => names.every((name) => sh(`oxbow status --user ${name} --json`).text.includes('"running"')), now)
  for (const name of names) assert.match(must(as(name, 'oxbow audit verify')), /verifies/)
})

test('a person’s own service comes up, and runs without anybody logged in', async () => {
  must(`loginctl enable-linger ${carol.name}`)
  await until(
    () => sh(`systemctl is-active user@${carol.uid}.service`).exit === 0,
    () => must(`systemctl status user@${carol.uid}.service || true`),
  )
  must('systemctl stop oxbow.service')
  assert.match(must(asCarol('oxbow service install')), /installed and runs/)
  assert.equal(must(asCarol('systemctl --user is-active oxbow.service')).trim(), 'active')
  must(asCarol('oxbow start'))
  assert.match(must(asCarol(`oxbow run --model offline 'write "of carol" to mine.txt'`)), /Wrote/)
  must('systemctl start oxbow.service')
})

test('the power is cut in the middle of work', async () => {
  await until(
    () => names.every((name) => sh(`oxbow status --user ${name} --json`).text.includes('"running"')),
    () => sh('oxbow status --all').text,
  )
  for (const name of names) must(`/opt/rig/node /opt/rig/inside-load.ts ${name} 3600 > /opt/rig/load-${name} 2>&1 &`)
  must('sleep 5')
})
