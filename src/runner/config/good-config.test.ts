/** What a host falls back on: no machine's wall is taken from a copy, and no wall of a person comes down with a file that cannot be read. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../config/index.ts'
import { type Home, openHome, openWorkspace, parseUser } from '../home.ts'
import { loadConfig } from './config-layers.ts'
import { type ConfigPlace, keptConfigs, loadLastGood, rememberGood, safeConfig, textsNow } from './good-config.ts'

interface Host extends ConfigPlace {
  readonly home: Home
  readonly file: string
  readonly userFile: string
  /** The files work as they are now. */
  readonly works: () => void
}

function withHost(check: (host: Host) => void, variables: Readonly<Record<string, string>> = {}): void {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-good-'))
  try {
    const home = { ...openHome({ OXBOW_HOME: root }), machineConfig: join(root, 'machine.toml'), variables }
    const workspace = openWorkspace(home, parseUser('default'))
    let at = 0
    const works = (): void => rememberGood({ home, workspace }, { texts: textsNow({ home, workspace })!, at: (at += 1) })
    check({ home, workspace, file: join(root, 'config.toml'), userFile: join(workspace.root, 'config.toml'), works })
  } finally {
    rmSync(root, { recursive: true })
  }
}

test('a fallback reads the file of the machine as it is now, also what it lets only be tightened', () => {
  withHost((host) => {
    writeFileSync(host.home.machineConfig, '[approval]\nmode = "auto"\n[egress]\nmode = "open"\n')
    writeFileSync(host.file, '[approval]\nmode = "auto"\n[turn]\nmax_turns = 7\n')
    host.works()
    writeFileSync(host.home.machineConfig, 'only_tighten = ["approval"]\n[approval]\nmode = "manual"\n[egress]\nmode = "strict"\n')
    writeFileSync(host.file, '[approval\n')
    const good = loadLastGood(host)!
    assert.deepEqual([good.approval.mode, good.egress.mode, good.turn.max_turns], ['manual', 'strict', 7])
  })
})

test('with a file of the machine that cannot be used there is no fallback, since a copy of it may be looser', () => {
  withHost((host) => {
    writeFileSync(host.home.machineConfig, '[approval]\nmode = "auto"\n')
    writeFileSync(host.file, '[turn]\nmax_turns = 7\n')
    host.works()
    writeFileSync(host.home.machineConfig, '[aproval]\nmode = "manual"\n')
    writeFileSync(host.file, '[turn]\nmax_turns = 8\n')
    assert.equal(loadLastGood(host), null)
  })
})

for (const [what, now, check] of [
  [
    'next to a fault elsewhere',
    '[approval]\nmode = "manual"\n[model]\nname = 7\n',
    ({ approval }: Config) => assert.equal(approval.mode, 'manual'),
  ],
  [
    'before a line that is no TOML',
    '[approval]\nmode = "manual"\n[model\n',
    ({ approval }: Config) => assert.equal(approval.mode, 'manual'),
  ],
  ['behind a line that is no TOML', 'x = \n[approval]\nmode = "manual"\n', ({ approval }: Config) => assert.equal(approval.mode, 'manual')],
  ['below a damaged header', '[approval\nmode = "manual"\n', ({ approval }: Config) => assert.equal(approval.mode, 'manual')],
  ['with a value that does not exist', '[approval]\nmode = "manul"\n', ({ approval }: Config) => assert.equal(approval.mode, 'manual')],
  ['with a value that is cut off', '[approval]\nmode = "man', ({ approval }: Config) => assert.equal(approval.mode, 'manual')],
  ['with a mistyped name', '[aproval]\nmode = "manual"\n', ({ approval }: Config) => assert.equal(approval.mode, 'manual')],
  [
    'of rights',
    'x = \n[approval]\nmode = "auto"\n[agent]\nrights = ["file.read"]\n',
    ({ agent }: Config) => assert.deepEqual(agent.rights, ['file.read']),
  ],
  ['of a budget', 'x = \n[budget.user]\ntokens = 5\n', ({ budget }: Config) => assert.equal(budget.user.tokens, 5)],
  [
    'of a call',
    'x = \n[approval.calls]\n"web.fetch" = "deny"\n',
    ({ approval }: Config) => assert.equal(approval.calls['web.fetch'], 'deny'),
  ],
] as const)
  test(`a wall that a person tightened ${what} stands in the fallback`, () => {
    withHost((host) => {
      writeFileSync(host.file, '[approval]\nmode = "auto"\n[agent]\nrights = ["file.read", "web.read"]\n[turn]\nmax_turns = 7\n')
      host.works()
      writeFileSync(host.file, now)
      assert.throws(() => loadConfig(host.home, host.workspace))
      const good = loadLastGood(host)
      assert.ok(good !== null)
      check(good)
      assert.equal(good.turn.max_turns, 7)
    })
  })

test('a guest that does not get well after a wall was tightened does not get the looser one back', () => {
  withHost((host) => {
    writeFileSync(host.file, '[approval]\nmode = "auto"\n[agent]\nname = "old"\nrights = ["file.read", "web.read"]\n')
    host.works()
    writeFileSync(host.file, '[approval]\nmode = "manual"\n[agent]\nname = "new"\nrights = ["file.read"]\n[flow]\nboth = "deny"\n')
    const { approval, agent, flow } = loadLastGood(host)!
    assert.deepEqual([approval.mode, agent.name, agent.rights, flow.both], ['manual', 'old', ['file.read'], 'deny'])
    // Only walls have changed: it would be what the files say now.
    writeFileSync(host.file, '[approval]\nmode = "manual"\n[agent]\nname = "old"\nrights = ["file.read"]\n')
    assert.equal(loadLastGood(host), null)
  })
})

test('safe mode has what the machine and the variables demand, and no rights', () => {
  withHost(
    (host) => {
      writeFileSync(
        host.home.machineConfig,
        '[sandbox]\ntier = "container"\n[access]\nrole = "user"\n[store]\nurl_env = "MACHINE_STORE"\n[gateway]\nhost = "0.0.0.0"\n',
      )
      writeFileSync(host.file, '[approval]\nmode = "nonsense"\n')
      const safe = safeConfig(host)!
      assert.deepEqual(
        [
          safe.sandbox.tier,
          safe.access.role,
          safe.store.url_env,
          safe.flow.both,
          safe.agent.rights,
          safe.model.provider,
          safe.gateway.host,
        ],
        ['container', 'user', 'MACHINE_STORE', 'deny', [], 'offline', '127.0.0.1'],
      )
      writeFileSync(host.file, '[store]\nurl = "postgres://x"\nx\n')
      assert.equal(safeConfig(host), null)
    },
    { OXBOW__FLOW__BOTH: 'deny', OXBOW__APPROVAL__MODE: 'nonsense' },
  )
  withHost((host) => assert.equal(safeConfig(host), null), { OXBOW__STORE__URL: 'postgres://x' })
})

test('kept configurations of the largest size make room for each other, and other files do not count as one', () => {
  withHost((host) => {
    const large = `# ${'"\\'.repeat(500_000)}\n`
    for (const turns of [1, 2, 3, 4, 5, 6, 7, 8]) {
      writeFileSync(host.file, `[turn]\nmax_turns = ${turns}\n${large.slice(0, 1_000_000)}`)
      writeFileSync(host.userFile, large.slice(0, 1_000_000))
      host.works()
      assert.match(keptConfigs(host)[0]?.texts.all_users ?? '', new RegExp(`max_turns = ${turns}\n`))
    }
    assert.ok(keptConfigs(host).length > 1)
    const path = join(host.home.runner, 'good-config', 'default.json')
    for (const shape of [
      '7',
      '[]',
      '{"kept":7}',
      '{"kept":[null,7,{"at":"x"},{"at":1},{"at":1,"texts":{"user":7}}]}',
      '{"current":7}',
      'x',
      '',
    ])
      for (const read of [() => keptConfigs(host), () => loadLastGood(host)]) {
        writeFileSync(path, shape)
        const found = read()
        assert.ok(found === null || (found as readonly unknown[]).length === 0, shape)
      }
    rmSync(path)
    mkdirSync(path)
    assert.deepEqual(keptConfigs(host), [])
    host.works()
  })
})

test('what an earlier version kept is kept on', () => {
  withHost((host) => {
    const path = join(host.home.runner, 'good-config', 'default.json')
    writeFileSync(host.file, '')
    host.works()
    writeFileSync(path, '{"current":{"text":"[turn]\\nmax_turns = 7\\n","at":3,"all_users":"# a\\n"},"previous":{"text":"","at":0}}')
    assert.deepEqual(keptConfigs(host), [{ at: 3, texts: { all_users: '# a\n', user: '[turn]\nmax_turns = 7\n' } }])
    assert.ok(readFileSync(path, 'utf8').length > 0)
  })
})

test('the newest that worked is the last one, also where the clock was set back meanwhile', () => {
  withHost((host) => {
    const worked = (turns: number, at: number): void => {
      writeFileSync(host.file, `[turn]\nmax_turns = ${turns}\n`)
      rememberGood(host, { texts: textsNow(host)!, at })
    }
    worked(3, 2_000_000)
    worked(4, 1_000)
    assert.deepEqual(
      keptConfigs(host).map(({ at }) => at),
      [1_000, 2_000_000],
    )
    writeFileSync(host.file, '[turn]\nmax_turns = "x"\n')
    assert.equal(loadLastGood(host)?.turn.max_turns, 4)
  })
})
