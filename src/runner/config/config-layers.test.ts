import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isObject, isOxbowError } from '../../base/index.ts'
import { configJsonSchema } from '../../config/index.ts'
import { parseConfig, configSchema } from '../../services/index.ts'
import { keysFor, loadConfig, mergeLayers, readLayers } from './config-layers.ts'
import { checkConfigChange, checkConfigText } from './config-text.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'
import type { Home, Workspace } from '../home.ts'

function withHome(check: (home: Home, workspace: Workspace) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-config-'))
  try {
    const home = openHome({ OXBOW_HOME: root })
    check(home, openWorkspace(home, parseUser('default')))
  } finally {
    rmSync(root, { recursive: true })
  }
}

void test('without files the configuration is the defaults', () => {
  withHome((home, workspace) => assert.deepEqual(loadConfig(home, workspace), parseConfig({}, 'defaults')))
})

void test('the user file wins over the home file, and the command line over both, key by key', () => {
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), '[model]\nname = "a"\nbase_url = "http://a"\n[turn]\nmax_turns = 7\n')
    writeFileSync(join(workspace.root, 'config.toml'), '[model]\nname = "b"\nbase_url = "http://b"\n')
    const config = loadConfig(home, workspace, { model: 'c' })
    assert.equal(config.model.name, 'c')
    assert.equal(config.model.base_url, 'http://b')
    assert.equal(config.turn.max_turns, 7)
    writeFileSync(join(home.root, 'config.toml'), '[model]\nprovider = "openai"\n')
    assert.equal(loadConfig(home, workspace, { model: 'offline' }).model.provider, 'offline')
  })
})

void test('a wrong key is named with its file and line', () => {
  withHome((home, workspace) => {
    const path = join(workspace.root, 'config.toml')
    writeFileSync(path, '# mine\n[turn]\nmax_turns = 5\n\n[approval]\nprivileged = "perhaps"\ncall = 1\n')
    assert.throws(
      () => loadConfig(home, workspace),
      (error) =>
        isOxbowError(error, 'bad_config') &&
        error.message.includes(path) &&
        error.message.includes('line 6, approval.privileged') &&
        error.message.includes('line 7, approval.call'),
    )
  })
})

void test('a start leaves out a key that nobody knows and says so with its line; a change of the file is refused for it', () => {
  withHome((home, workspace) => {
    const [path, text] = [join(home.root, 'config.toml'), '# a\n[model]\nname = "a"\n\n# b\n[plans.daily]\n"x" = 1\n']
    writeFileSync(path, text)
    const layers = readLayers(home, workspace)
    assert.equal(mergeLayers(layers).model.name, 'a')
    assert.deepEqual(
      layers.flatMap(({ unknown }) => unknown),
      [`${path}, line 6, plans: unknown key`],
    )
    assert.throws(
      () => checkConfigText(path, text),
      (error) => isOxbowError(error, 'bad_config') && error.message.includes('line 6, plans: '),
    )
  })
})

for (const text of [
  '[approval]\nmod = "manual"\n',
  '[aproval]\nmode = "manual"\n',
  '[agent]\nrihgts = ["file.read"]\n',
  'only_tightn = ["flow"]\n',
])
  void test(`a mistyped wall keeps a file from being used: ${text.trim().replaceAll('\n', ' ')}`, () => {
    withHome((home, workspace) => {
      writeFileSync(join(home.root, 'config.toml'), text)
      assert.throws(
        () => loadConfig(home, workspace),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes('unknown key; did you mean'),
      )
    })
  })

void test('the file of the machine is below all others, and variables are above them', () => {
  withHome((home, workspace) => {
    const machineConfig = join(home.root, 'machine.toml')
    const variables = { OXBOW__APPROVAL__MODE: 'manual', OXBOW__SANDBOX__MEMORY_MB: '300', OXBOW__AGENT__RIGHTS: '["file.read"]' }
    writeFileSync(machineConfig, '[turn]\nmax_turns = 7\ntime_limit_s = 60\n[approval]\nmode = "auto"\n')
    writeFileSync(join(home.root, 'config.toml'), '[turn]\nmax_turns = 8\n[approval]\nmode = "auto"\n')
    const { turn, approval, sandbox, agent } = loadConfig({ ...home, machineConfig, variables }, workspace)
    assert.deepEqual(
      [turn.max_turns, turn.time_limit_s, approval.mode, sandbox.memory_mb, agent.rights],
      [8, 60, 'manual', 300, ['file.read']],
    )
    for (const name of ['OXBOW__APROVAL__MODE', 'OXBOW__APPROVAL__MODE__X', 'OXBOW__', 'OXBOW____PROTO____X', 'OXBOW__TURN__MAX_TURNS'])
      assert.throws(
        () => loadConfig({ ...home, variables: { [name]: 'nonsense' } }, workspace),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes(name),
        name,
      )
  })
})

const machineLocks = 'only_tighten = ["approval", "budget.user", "egress.allow", "agent.rights", "model.provider"]\n'
const machineValues =
  '[approval]\nmode = "allow_list"\ncalls = { "file.delete" = "ask" }\n[budget.user]\ntokens = 1000\n[egress]\nallow = ["a.example", "b.example"]\n[agent]\nrights = ["file.read", "file.write"]\n[model]\nprovider = "openai"\n'
for (const [text, looser] of [
  ['[approval]\nmode = "auto"\n', 'approval.mode = "auto"'],
  ['[approval]\nmode = "manual"\n', null],
  ['[approval.calls]\n"file.delete" = "allow"\n', 'approval.calls."file.delete" = "allow"'],
  ['[approval.calls]\n"file.delete" = "deny"\n"shell.run" = "ask"\n', null],
  ['[approval.rights]\n"shell.run" = "allow"\n', 'approval.rights."shell.run" = "allow"'],
  ['[budget.user]\ntokens = 2000\n', 'budget.user.tokens = 2000'],
  ['[budget.user]\ntokens = 999\nmicro_dollars = 5\n', null],
  ['[egress]\nallow = ["b.example"]\n', null],
  ['[egress]\nallow = ["b.example", "c.example"]\n', 'egress.allow = ["b.example","c.example"]'],
  ['[agent]\nrights = ["file.read:/shared/a", "!file.write"]\n', null],
  ['[agent]\nrights = ["file.read", "shell.run"]\n', 'agent.rights = ["file.read","shell.run"]'],
  ['[model]\nprovider = "anthropic"\n', 'model.provider = "anthropic"'],
  ['only_tighten = []\n[approval]\nmode = "auto"\n', 'approval.mode = "auto"'],
] as const)
  void test(`below a machine that lets keys only be tightened ${looser === null ? 'stands' : 'is refused'}: ${text.trim().replaceAll('\n', ' ')}`, () => {
    withHome((home, workspace) => {
      const machineConfig = join(home.root, 'machine.toml')
      writeFileSync(machineConfig, machineLocks + machineValues)
      for (const file of [join(home.root, 'config.toml'), join(workspace.root, 'config.toml')]) {
        writeFileSync(file, text)
        const load = (): unknown => loadConfig({ ...home, machineConfig }, workspace)
        if (looser === null) assert.ok(load())
        else
          assert.throws(
            load,
            (error) =>
              isOxbowError(error, 'bad_config') &&
              [looser, file, machineConfig].every((part) => error.message.includes(part)) &&
              error.hint !== '',
          )
        rmSync(file)
      }
    })
  })

void test('a lock of a key that does not exist is no lock, and is refused', () => {
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), 'only_tighten = ["aproval"]\n')
    assert.throws(
      () => loadConfig(home, workspace),
      (error) => isOxbowError(error, 'bad_config') && /only_tighten names aproval/.test(error.message),
    )
  })
})

for (const [line, provider, variable, words] of [
  ['api_key_env = "sk-proj-4f9a1c2b3d"', 'openai', 'OPENAI_API_KEY', 'line 3, model.api_key_env: must be the name of a variable'],
  ['api_key_env = "AIzaSyA4f9a1c2b3dA4f9a1c2b3d"', 'gemini', 'GEMINI_API_KEY', 'line 3, model.api_key_env: must be the name of a variable'],
  ['api_key = "sk-proj-4f9a1c2b3d"', 'anthropic', 'ANTHROPIC_API_KEY', 'line 3, model.api_key: does not belong in a file'],
] as const) {
  void test(`an API key in a file is refused with the command that stores it, and not repeated: ${line.split(' = ')[0]} of ${provider}`, () => {
    withHome((home, workspace) => {
      writeFileSync(join(home.root, 'config.toml'), `[model]\nprovider = "${provider}"\n${line}\n`)
      assert.throws(
        () => loadConfig(home, workspace),
        (error) =>
          isOxbowError(error, 'bad_config') &&
          error.message.includes(words) &&
          error.hint.includes(`oxbow secret set ${variable}`) &&
          !/4f9a/.test(error.message + error.hint),
      )
    })
  })
}

void test('a key of a named provider is refused with the variable of that provider', () => {
  withHome((home, workspace) => {
    const path = join(home.root, 'config.toml')
    for (const [provider, variable] of [
      ['mistral', 'MISTRAL_API_KEY'],
      ['my-own', 'MY_OWN_API_KEY'],
    ] as const) {
      writeFileSync(path, `[providers.${provider}]\nbase_url = "http://localhost:1"\napi_key = "secret"\n`)
      assert.throws(
        () => loadConfig(home, workspace),
        (error) => isOxbowError(error, 'bad_config') && error.hint.includes(`oxbow secret set ${variable}`),
      )
    }
  })
})

void test('text that is not TOML is named with line and column', () => {
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), '[model]\nname = \n')
    assert.throws(
      () => loadConfig(home, workspace),
      (error) => isOxbowError(error, 'bad_config') && /config\.toml is not TOML: line 2, column/.test(error.message),
    )
  })
})

void test('a file that is not UTF-8 is a configuration error', () => {
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), Buffer.from([0xff, 0xfe, 0x41]))
    assert.throws(
      () => loadConfig(home, workspace),
      (error) => isOxbowError(error, 'bad_config'),
    )
  })
})

void test('a scenario path is relative to the file that names it', () => {
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), '[model]\nscenario = "demo.json"\n')
    assert.equal(loadConfig(home, workspace).model.scenario, join(home.root, 'demo.json'))
  })
})

void test('a recording is found in the folder where Oxbow is started, unless one is next to the file that names it', () => {
  withHome((home, workspace) => {
    const started = process.cwd()
    const here = mkdtempSync(join(tmpdir(), 'oxbow-here-'))
    try {
      process.chdir(here)
      writeFileSync(join(home.root, 'config.toml'), '[model]\nreplay = "x.jsonl"\n')
      assert.equal(loadConfig(home, workspace).model.replay, join(home.root, 'x.jsonl'))
      writeFileSync('x.jsonl', '')
      assert.equal(loadConfig(home, workspace).model.replay, join(process.cwd(), 'x.jsonl'))
      writeFileSync(join(home.root, 'x.jsonl'), '')
      assert.equal(loadConfig(home, workspace).model.replay, join(home.root, 'x.jsonl'))
    } finally {
      process.chdir(started)
      rmSync(here, { recursive: true })
    }
  })
})

void test('only the variables of model providers and those that the configuration names are forwarded', () => {
  const providers = { mine: { base_url: 'http://x', headers: { 'x-token': 'Bearer $GATE_TOKEN' } } }
  const config = parseConfig({ model: { api_key_env: 'MY_KEY' }, providers }, 'test')
  const env = { MY_KEY: ' secret ', OPENAI_BASE_URL: 'http://x', ANTHROPIC_API_KEY: 'a', GATE_TOKEN: 'g', AWS_SECRET_ACCESS_KEY: 'no' }
  assert.deepEqual(keysFor(config, env), { MY_KEY: 'secret', OPENAI_BASE_URL: 'http://x', ANTHROPIC_API_KEY: 'a', GATE_TOKEN: 'g' })
  assert.deepEqual(keysFor(config, { MY_KEY: ' ' }), {})
})

void test('a configuration that is a pipe or never ends is refused at once', () => {
  withHome((home, workspace) => {
    const path = join(home.root, 'config.toml')
    for (const [says, make] of [
      [/is a pipe/, () => execFileSync('mkfifo', [path])],
      [/is larger than/, () => symlinkSync('/dev/zero', path)],
    ] as const) {
      make()
      assert.throws(
        () => loadConfig(home, workspace),
        (error) => isOxbowError(error, 'bad_config') && says.test(error.message),
      )
      rmSync(path)
    }
    symlinkSync('/dev/null', path)
    assert.deepEqual(loadConfig(home, workspace), parseConfig({}, 'defaults'))
  })
})

void test('keys of earlier versions hinder no start and no change, and are set no more', () => {
  const old = '[session]\nidle_s = 3\nmax_idle = 20\n\n[memory.summary]\nmin_turns = 1\ntrigger_ratio = 0.7\n'
  withHome((home, workspace) => {
    const path = join(home.root, 'config.toml')
    writeFileSync(path, old)
    assert.equal(loadConfig(home, workspace).memory.summary.trigger_ratio, 0.7)
    checkConfigChange(path, old, `${old}[approval]\nmode = "auto"\n`)
    assert.throws(() => checkConfigChange(path, '', old), /memory\.summary\.min_turns: unknown key/)
  })
})

void test('a table or key named __proto__ is refused wherever a file may name one, and names that objects inherit are names', () => {
  const places: string[] = []
  const collect = (schema: unknown, path: readonly string[]): void => {
    if (!isObject(schema)) return
    if (isObject(schema['additionalProperties'])) places.push(path.join('.'))
    for (const [name, inner] of Object.entries(isObject(schema['properties']) ? schema['properties'] : {})) collect(inner, [...path, name])
  }
  collect(configJsonSchema(configSchema), [])
  assert.ok(places.length > 10 && places.includes('mcp.servers') && places.includes('approval.calls'), places.join())
  for (const place of places)
    for (const text of [`[${place}.__proto__]\ncommand = "x"\n`, `[${place}]\n__proto__ = "allow"\n`, `[${place}.a]\n"__proto__" = 1\n`])
      withHome((home, workspace) => {
        writeFileSync(join(home.root, 'config.toml'), text)
        assert.throws(
          () => loadConfig(home, workspace),
          (error) => isOxbowError(error, 'bad_config') && /line \d.*__proto__: nothing can have this name/.test(error.message),
          text,
        )
      })
  withHome((home, workspace) => {
    writeFileSync(join(home.root, 'config.toml'), '[mcp.servers.constructor]\ncommand = "x"\n[approval.calls]\ntoString = "deny"\n')
    const { mcp, approval } = loadConfig(home, workspace)
    assert.deepEqual([Object.keys(mcp.servers), Object.keys(approval.calls)], [['constructor'], ['toString']])
  })
})

void test('a table that is empty, or a rule that is not there, is tightened below a machine that lets it only be tightened', () => {
  withHome((home, workspace) => {
    const machineConfig = join(home.root, 'machine.toml')
    const load = (machine: string, own: string) => {
      writeFileSync(machineConfig, machine)
      writeFileSync(join(workspace.root, 'config.toml'), own)
      return loadConfig({ ...home, machineConfig }, workspace)
    }
    const locks = 'only_tighten = ["approval", "flow", "secrets", "agent.rights"]\n'
    for (const own of [
      '[approval.calls]\n"file.delete" = "deny"\n',
      '[flow.sinks."web.fetch"]\nboth = "deny"\n',
      '[[flow.source]]\ncall = "mail.*"\nlabels = ["private"]\n',
      '[secrets.TOKEN]\ncalls = []\n',
    ])
      load(locks, own)
    for (const [machine, own, key] of [
      ['[flow]\nboth = "deny"\n', '[flow.sinks."web.fetch"]\nboth = "ask"\n', 'flow.sinks."web.fetch".both'],
      ['[agent]\nrights = ["file.write", "file.write:/shared/a"]\n', '[agent]\nrights = ["file.write"]\n', 'agent.rights'],
      ['', '[secrets.TOKEN]\ncalls = ["web.fetch"]\n', 'secrets.TOKEN.calls'],
    ] as const)
      assert.throws(
        () => load(locks + machine, own),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes(key),
        key,
      )
  })
})

void test('rights that may only be tightened are the most that any agent has, whoever grants it more', () => {
  withHome((home, workspace) => {
    const [machineConfig, file] = [join(home.root, 'machine.toml'), join(workspace.root, 'config.toml')]
    const load = () => loadConfig({ ...home, machineConfig }, workspace).agent
    writeFileSync(machineConfig, '[agent]\nrights = ["file.read", "web.read"]\n')
    assert.equal(load().max_rights, null)
    writeFileSync(machineConfig, 'only_tighten = ["agent"]\n[agent]\nrights = ["file.read", "web.read"]\n')
    writeFileSync(file, '[agent]\nrights = ["file.read"]\n')
    assert.deepEqual([load().rights, load().max_rights], [['file.read'], ['file.read', 'web.read']])
    writeFileSync(file, '[agent]\nrights = []\nmax_rights = ["file.read"]\n')
    assert.deepEqual(load().max_rights, ['file.read'])
  })
})

void test('tables in tables, and more faults than anybody reads, are refused at once', () => {
  withHome((home, workspace) => {
    const file = join(home.root, 'config.toml')
    const deep = 50_000
    for (const [text, says] of [
      [`${'a.'.repeat(deep)}a = 1\n`, /deep|nested/],
      [`[${'a.'.repeat(deep)}a]\n`, /deep|nested/],
      [`a = ${'['.repeat(deep)}${']'.repeat(deep)}\n`, /deep|nested/],
      [`a = ${'{a='.repeat(deep)}1${'}'.repeat(deep)}\n`, /deep|nested/],
      [Array.from({ length: 80_000 }, (_, at) => `k${at} = 1\n`).join(''), /and perhaps more/],
      [`[approval.calls]\n${Array.from({ length: 60_000 }, (_, at) => `k${at} = 1\n`).join('')}`, /and perhaps more/],
    ] as const) {
      writeFileSync(file, text)
      assert.throws(
        () => loadConfig(home, workspace),
        (error) => isOxbowError(error, 'bad_config') && says.test(error.message) && error.message.length < 20_000,
        text.slice(0, 40),
      )
    }
  })
})
