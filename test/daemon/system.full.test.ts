/** The daemon of a machine, with real Unix users: as whom guests run, what is root's, and forty attacks of one user on another and on root. */
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { askSocket, until } from './daemon-fixture.ts'
import { type Account, type Machine, openMachine, withoutUsers } from './system-fixture.ts'

interface Status {
  readonly user: string
  readonly state: string
  readonly pid: number
  readonly url: string
  readonly limits: string
}

describe('two users of one machine', { skip: withoutUsers }, () => {
  let machine: Machine
  let [mallory, victim]: readonly Account[] = []
  const statusOf = async ({ name }: Account): Promise<Status> =>
    ((await machine.ask('status', { user: name })).output as unknown as { users: Status[] }).users[0]!
  const guestOf = async (account: Account): Promise<Status> => {
    const status = await statusOf(account)
    assert.equal(status.state, 'running', JSON.stringify(status))
    return status
  }
  before(async () => {
    machine = openMachine()
    ;[mallory, victim] = machine.accounts
    await machine.daemon()
    for (const { name } of machine.accounts) {
      const added = await machine.oxbow('user', 'add', name, '--processes', '150', '--memory', '700')
      assert.equal(added.exit, 0, added.text)
    }
    const started = await machine.oxbow('start', '--all')
    assert.equal(started.exit, 0, started.text)
  })
  after(() => machine?.[Symbol.asyncDispose]())

  test('a guest runs with its user’s id and nothing of root, in a home and groups of its own, and root signs what it records', async () => {
    for (const account of [mallory!, victim!]) {
      const { pid, limits } = await guestOf(account)
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const ids = [account.uid, account.uid, account.uid, account.uid].join('\t')
      assert.ok(status.includes(`Uid:\t${ids}\n`), status)
      assert.ok(status.includes(`Gid:\t${[account.gid, account.gid, account.gid, account.gid].join('\t')}\n`))
      assert.match(status, /^Groups:\s*$/m)
      assert.match(status, /^CapBnd:\s*0+$/m)
      const home = lstatSync(account.oxbowHome)
      assert.deepEqual([home.uid, home.gid, home.mode & 0o777], [account.uid, account.gid, 0o700])
      if (limits === '') console.log('# not tried: no control groups can be written here')
      else assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`oxbow-user-${account.name}`))
      const seal = lstatSync(join(machine.root, 'runner/seals', account.name))
      assert.deepEqual([seal.uid, seal.mode & 0o777], [0, 0o700])
    }
    assert.match((await machine.as(victim!, 'run', 'write "mine" to secret.txt')).text, /Wrote/)
    await until(async () => /The journal verifies/.test((await machine.as(victim!, 'audit', 'verify')).text))
    // The key that signed is root's, and the user has none that passes for it.
    const shown = JSON.parse((await machine.as(victim!, 'audit', 'key', '--json')).text) as { public_key: string }
    assert.match(shown.public_key, /PUBLIC KEY/)
    assert.equal(existsSync(join(victim!.oxbowHome, 'runner/signing-key.pem')), false)
    assert.equal(existsSync(join(victim!.home, '.oxbow')), false)
  })

  test('what an administrator sets for a user is on record in the journal of that user', async () => {
    const set = await machine.oxbow('user', 'set', victim!.name, '--memory', '800')
    assert.equal(set.exit, 0, set.text)
    assert.equal((await machine.oxbow('restart', '--user', victim!.name)).exit, 0)
    await guestOf(victim!)
    const taken = '"key":"user.memory_mb","before":700,"after":800'
    await until(async () =>
      (await machine.as(victim!, 'audit', 'show', '--limit', '200', '--json')).text.replaceAll('\\', '').includes(taken),
    )
    const { config_differs: differs } = JSON.parse((await machine.as(victim!, 'audit', 'verify', '--json')).text) as {
      config_differs: readonly string[]
    }
    assert.deepEqual(differs, [])
  })

  test('forty attacks of a user on another one and on root come to nothing', async () => {
    const { pid, url } = await guestOf(victim!)
    const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
    const root = readFileSync(`/proc/${parent}/status`, 'utf8')
    const daemon = /^PPid:\t(\d+)$/m.exec(root)![1]!
    const [, port] = /:(\d+)\//.exec(url)!
    const home = victim!.oxbowHome
    const attacks: Readonly<Record<string, string>> = {
      'environment of the guest': `cat /proc/${pid}/environ`,
      'environment of the keeper': `cat /proc/${parent}/environ`,
      'environment of the daemon': `cat /proc/${daemon}/environ`,
      'memory of the guest': `head -c 1 /proc/${pid}/mem`,
      'maps of the guest': `cat /proc/${pid}/maps`,
      'files open in the guest': `ls /proc/${pid}/fd`,
      'folder of the guest': `ls /proc/${pid}/cwd/`,
      'root of the guest': `ls /proc/${pid}/root/`,
      'stack of the daemon': `cat /proc/${daemon}/stack`,
      'oom score of the guest': `echo 1000 > /proc/${pid}/oom_score_adj`,
      'end the guest': `kill -TERM ${pid}`,
      'kill the guest': `kill -KILL ${pid}`,
      'stop the guest': `kill -STOP ${pid}`,
      'kill the keeper': `kill -KILL ${parent}`,
      'kill the daemon': `kill -KILL ${daemon}`,
      'hang up the daemon': `kill -HUP ${daemon}`,
      'trace the guest': `python3 -c 'import ctypes,sys; sys.exit(0 if ctypes.CDLL(None).ptrace(16,${pid},0,0)==0 else 1)'`,
      'slow the guest down': `renice 19 -p ${pid}`,
      'bind the guest to a processor': `taskset -p 1 ${pid}`,
      'list the home': `ls ${home}`,
      'read the token': `cat ${home}/users/default/ipc/token`,
      'read the store': `cat ${home}/users/default/internal/oxbow.db`,
      'read a shared file': `cat ${home}/users/default/shared/secret.txt`,
      'read the configuration': `cat ${home}/config.toml`,
      'write into the home': `touch ${home}/x`,
      'replace the home': `mv ${home} ${home}.old`,
      'link into the home': `ln -s /etc ${home}/users/default/shared/etc`,
      'make another home': `mkdir ${machine.root}/users/eve`,
      'read root’s keys': `cat ${machine.root}/runner/seals/${victim!.name}/signing-key.pem`,
      'read one’s own key of root': `cat ${machine.root}/runner/seals/${mallory!.name}/signing-key.pem`,
      'read one’s own heads of root': `cat ${machine.root}/runner/seals/${mallory!.name}/heads/default.jsonl`,
      'settings of users': `ls ${machine.root}/runner/users`,
      'list control sockets': `ls ${machine.root}/control`,
      'replace a control socket': `mv ${machine.root}/control/${victim!.name}.sock ${machine.root}/control/x`,
      'put a socket in its place': `ln -sf /tmp/x ${machine.root}/control/admin.sock`,
      'speak for the victim': `python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("${machine.root}/control/${victim!.name}.sock")'`,
      'speak for root': `python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("${machine.root}/control/admin.sock")'`,
      'the gateway without a token': `curl -fsS http://127.0.0.1:${port}/api/v1/now`,
      'the gateway with one’s own token': `curl -fsS -H "authorization: Bearer $(cat ${mallory!.oxbowHome}/users/default/ipc/token)" http://127.0.0.1:${port}/api/v1/now`,
      'take the port': `python3 -c 'import socket; s=socket.socket(); s.setsockopt(1,2,1); s.bind(("127.0.0.1",${port}))'`,
      'more than one’s limits': `for f in /sys/fs/cgroup/pids/oxbow-user-${mallory!.name}/pids.max /sys/fs/cgroup/*/oxbow-user-${mallory!.name}/memory.max; do [ -e $f ] && echo max > $f && exit 0; done; exit 1`,
    }
    assert.ok(Object.keys(attacks).length >= 40)
    for (const [what, script] of Object.entries(attacks)) {
      const { exit, text } = await machine.sh(mallory!, script)
      assert.notEqual(exit, 0, `${what} went well: ${text}`)
      assert.doesNotMatch(text, /not found/, `${what} was not tried: ${text}`)
      assert.equal((await guestOf(victim!)).pid, pid, what)
    }
  })

  test('what a user may ask about others by their own socket is nothing', async () => {
    const socket = join(machine.root, 'control', `${mallory!.name}.sock`)
    const other = victim!.name
    for (const [op, input] of [
      ...['status', 'start', 'stop', 'restart', 'logs', 'config', 'seal'].map((name) => [name, { user: other }] as const),
      ['upgrade', { version: '9.9.9' }],
      ['users', { action: 'add', user: 'daemon' }],
      ['users', { action: 'set', user: mallory!.name, settings: { max_processes: 100_000 } }],
      ['users', { action: 'remove', user: other, purge: true }],
      ['users', { action: 'list', user: other }],
      ['sign_restore', { user: other, restore: { call: 'x', from: { seq: 0, hash: '' }, to: { seq: 1, hash: '' }, by: 'x' } }],
      ['sign_export', { user: other, after: 0, seq: 1, hash: '', records: 1, at: 0, lines: 0 }],
    ] as const) {
      const { ok, failure } = await askSocket(socket, { id: '1', op, input })
      assert.deepEqual([ok, failure?.code], [false, 'denied'], op)
    }
    const { output } = await askSocket(socket, { id: '1', op: 'events', input: { limit: 200 } })
    const { events } = output as unknown as { events: { user: string }[] }
    assert.ok(events.length > 0 && events.every(({ user }) => user === mallory!.name))
    const all = await askSocket(socket, { id: '1', op: 'stop', input: { all: true } })
    assert.equal((all.output as unknown as { users: Status[] }).users.length, 1)
    assert.equal((await statusOf(victim!)).state, 'running')
    assert.equal((await machine.as(mallory!, 'start')).exit, 0)
  })

  test('a user’s page stops their own guest', async () => {
    const stopped = await machine.as(mallory!, 'call', 'guest.stop', '{}')
    assert.equal(stopped.exit, 0, stopped.text)
    await until(async () => (await statusOf(mallory!)).state === 'stopped')
    assert.equal((await statusOf(victim!)).state, 'running')
    assert.equal((await machine.as(mallory!, 'start')).exit, 0)
  })

  test('root reads the log of a user with that user’s rights, and its own; a user reads no log of root', async () => {
    for (const read of [await machine.oxbow('logs', '--user', victim!.name, '--role', 'runner'), await machine.as(victim!, 'logs')])
      assert.match(read.text, /a guest has started/, read.text)
    assert.match((await machine.oxbow('logs', '--role', 'daemon')).text, /guest started {2}user=oxbow-t/)
    assert.doesNotMatch((await machine.as(victim!, 'logs', '--role', 'daemon')).text, /guest started/)
  })

  test('links and folders that a user plants lead root nowhere', async () => {
    await machine.as(mallory!, 'stop')
    const workspace = join(mallory!.oxbowHome, 'users/default')
    const bait = join(machine.root, 'runner/bait')
    writeFileSync(bait, 'root’s own\n', { mode: 0o600 })
    const plant = `cd ${workspace} && rm -rf logs ipc && ln -s /etc logs && ln -s ${machine.root}/runner ipc && mkdir -p ../../control`
    assert.equal((await machine.sh(mallory!, plant)).exit, 0)
    const modes = ['/etc', `${machine.root}/runner`].map((path) => statSync(path).mode)
    const refused = await machine.oxbow('start', '--user', mallory!.name)
    assert.notEqual(refused.exit, 0, refused.text)
    assert.deepEqual(
      ['/etc', `${machine.root}/runner`].map((path) => statSync(path).mode),
      modes,
    )
    assert.equal(existsSync('/etc/guest.log'), false)
    await machine.sh(mallory!, `cd ${workspace} && rm -f logs ipc && mkdir logs && ln -s ${bait} logs/guest.log`)
    assert.doesNotMatch((await machine.oxbow('logs', '--user', mallory!.name)).text, /root’s own/)
    await machine.sh(mallory!, `cd ${workspace} && rm -rf logs`)
    assert.equal((await machine.oxbow('start', '--user', mallory!.name)).exit, 0)
    // A home that is another one's is not started with.
    await machine.oxbow('stop', '--user', mallory!.name)
    await machine.sh(mallory!, `chmod 755 ${mallory!.oxbowHome}`)
    assert.match((await machine.oxbow('start', '--user', mallory!.name)).text, /is not a folder of .* alone/)
    await machine.sh(mallory!, `chmod 700 ${mallory!.oxbowHome}`)
    assert.equal((await machine.oxbow('start', '--user', mallory!.name)).exit, 0)
  })

  test('a file of variables is read by root only where nobody else can have put it there', async () => {
    const { name, home } = mallory!
    const own = join(home, 'x.env')
    await machine.sh(mallory!, `echo A=1 > ${own}`)
    symlinkSync('/etc/shadow', join(machine.root, 'link.env'))
    const fine = join(machine.root, 'fine.env')
    writeFileSync(fine, 'A=1\n', { mode: 0o600 })
    for (const [file, works] of [
      [own, false],
      [join(machine.root, 'link.env'), false],
      [machine.root, false],
      [fine, true],
    ] as const) {
      await machine.oxbow('stop', '--user', name)
      await machine.oxbow('user', 'set', name, '--env-file', file)
      const { exit, text } = await machine.oxbow('start', '--user', name)
      assert.equal(exit === 0, works, `${file}: ${text}`)
      assert.doesNotMatch(text, /root:[*!x$]/)
    }
  })

  test('floods of a user’s part, and its end, change nothing for others', async () => {
    const { pid } = await guestOf(mallory!)
    const keeper = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
    // Its output is a pipe to root, which whoever has the user's id can write to.
    await machine.sh(
      mallory!,
      `timeout 3 sh -c 'yes "{\\"type\\":\\"warning\\",\\"text\\":\\"x\\"}" > /proc/${keeper}/fd/1'; head -c 3000000 /dev/zero > /proc/${keeper}/fd/1`,
    )
    const { output: health } = await machine.ask('health')
    assert.ok((health as unknown as { memory_mb: number }).memory_mb < 200)
    assert.match((await machine.as(victim!, 'run', '2+2')).text, /2\+2 = 4/)
    const { output } = await machine.ask('events', { limit: 200 })
    assert.ok((output as unknown as { events: { user: string }[] }).events.filter(({ user }) => user === mallory!.name).length < 150)
    await machine.oxbow('stop', '--user', mallory!.name)
    assert.equal((await machine.oxbow('start', '--user', mallory!.name)).exit, 0)
  })

  test('a fork bomb and a memory bomb of one user end in their own limits', async () => {
    const { limits, pid } = await guestOf(mallory!)
    if (!/processes/.test(limits)) return console.log('# not tried: no control groups can be written here')
    const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    const folder = group.split('\n').flatMap((line) => {
      const [, controllers, path] = line.split(':')
      return controllers === 'pids'
        ? [`/sys/fs/cgroup/pids${path}`]
        : controllers === '' && path?.includes('oxbow-user') === true
          ? [`/sys/fs/cgroup${path}`]
          : []
    })[0]!
    // As their guest would: root alone can put a process there. Nothing forks before it is there, and all of it ends at one time, whatever
    // becomes of the limits.
    const forks = 'import os,time\nend = time.time() + 4\nwhile time.time() < end:\n  try: os.fork()\n  except OSError: pass'
    const bomb = machine.sh(
      mallory!,
      'echo $$ > bomb.part; mv bomb.part bomb.pid; while [ ! -e go ]; do sleep 0.05; done; /usr/bin/python3 -c "$1"; true',
      forks,
    )
    const written = join(mallory!.home, 'bomb.pid')
    await until(() => existsSync(written))
    const shell = Number(readFileSync(written, 'utf8'))
    for (const each of [shell, ...children(mallory!.uid)]) tryPut(join(folder, 'cgroup.procs'), each)
    const held = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').map(Number)
    assert.ok(held.includes(shell), `process ${shell} is not in ${folder}`)
    await machine.sh(mallory!, 'touch go')
    await sleep(1_000)
    const count = Number(readFileSync(join(folder, 'pids.current'), 'utf8'))
    // What root has moved there counts on top.
    assert.ok(count > 100 && count <= 160, `${count} processes in ${folder}`)
    assert.match((await machine.as(victim!, 'run', '2+2')).text, /2\+2 = 4/)
    await machine.oxbow('stop', '--user', mallory!.name)
    await bomb
    assert.equal(children(mallory!.uid).length, 0, 'stop has ended all of it')
  })

  test('a user who is removed and one who is purged leave nothing that runs, and what root signed', async () => {
    await machine.oxbow('start', '--all')
    const { name, uid } = mallory!
    assert.match((await machine.oxbow('user', 'remove', name, '--yes')).text, /is removed; everything they had is in/)
    assert.equal(children(uid).length, 0)
    assert.equal(existsSync(mallory!.oxbowHome), false)
    const [aside] = readdirSync(join(machine.root, 'removed'))
    assert.equal(statSync(join(machine.root, 'removed', aside!)).mode & 0o777, 0o700)
    assert.equal((await machine.oxbow('user', 'remove', name, '--yes', '--purge')).exit, 0)
    assert.deepEqual(readdirSync(join(machine.root, 'removed')), [])
    assert.ok(existsSync(join(machine.root, 'runner/seals', name, 'heads')))
    for (const odd of ['../etc', 'root', 'nobody', 'no-such-account', 'UPPER', 'a b', '.x'])
      assert.notEqual((await machine.oxbow('user', 'add', '--', odd)).exit, 0, odd)
    mkdirSync(join(machine.root, 'users', 'Odd.Name'))
    assert.doesNotMatch((await machine.oxbow('user', 'list')).text, /Odd/)
  })
})

function children(uid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        return new RegExp(`^Uid:\t${uid}\t`, 'm').test(status) && !/^State:\tZ/m.test(status)
      } catch {
        return false
      }
    })
}

function tryPut(file: string, pid: number): void {
  try {
    writeFileSync(file, String(pid))
  } catch {
    // It has ended.
  }
}
