import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isOxbowError, systemClock } from '../../base/index.ts'
import { type ModelFacts, plainFacts } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { collect, requestOf } from '../model-contract.ts'
import { createAiSdkModel } from './ai-sdk-model.ts'
import { createProvider, loadPackage, pickFactory, type ProviderSettings } from './provider-package.ts'

const make = (): null => null

void describe('the factory of a provider package', () => {
  void it('is found by the name of the package, of its scope, or a part of it, and else by alphabet', () => {
    const picks = (packageName: string, ...names: string[]): string | undefined => {
      const loaded = Object.fromEntries(names.map((name) => [name, () => name]))
      return pickFactory(loaded, packageName)?.({}) as string | undefined
    }
    assert.equal(picks('@ai-sdk/openai', 'createAzure', 'createOpenAI', 'openai'), 'createOpenAI')
    assert.equal(picks('@ai-sdk/google', 'createGoogleGenerativeAI', 'createGoogle'), 'createGoogle')
    assert.equal(picks('@openrouter/ai-sdk-provider', 'createA', 'createOpenRouter'), 'createOpenRouter')
    assert.equal(picks('ollama-ai-provider-v2', 'createAgent', 'createOllama'), 'createOllama')
    assert.equal(picks('x', 'createB', 'createA', 'createdAt'), 'createA')
    assert.equal(picks('x', 'create', 'createdAt', 'default'), undefined)
    assert.equal(pickFactory({ createX: 1 }, 'x'), null)
    assert.equal(pickFactory(null, 'x'), null)
  })

  const settings: ProviderSettings = { packageName: 'pkg', provider: 'mine', key: '', baseUrl: null, headers: {}, fetch }
  const made = (product: unknown, more: Partial<ProviderSettings> = {}): { given: unknown; model: unknown } => {
    let given: unknown = null
    const createPkg = (options: unknown): unknown => {
      given = options
      return product
    }
    const model = createProvider({ createPkg }, { ...settings, ...more })('m')
    return { given, model }
  }

  void it('gets what is configured and nothing else', () => {
    const model = { specificationVersion: 'v4', provider: 'p', doStream: make }
    assert.deepEqual(made(() => model).given, { fetch })
    const all = { key: 'k', baseUrl: new URL('http://h/v1/'), headers: { a: 'b' } }
    assert.deepEqual(made(() => model, all).given, { fetch, apiKey: 'k', baseURL: 'http://h/v1', headers: { a: 'b' } })
    const compatible = { '@ai-sdk/openai-compatible': 1, createOpenAICompatible: (given: unknown) => () => ({ ...model, given }) }
    const loaded = createProvider(compatible, { ...settings, packageName: '@ai-sdk/openai-compatible' })('m')
    assert.deepEqual((loaded.model as unknown as { given: unknown }).given, { fetch, name: 'mine', includeUsage: true })
  })

  void it('makes models of every version from the second on', () => {
    const versionOf = (specificationVersion: unknown): number => {
      const provider = { languageModel: () => ({ specificationVersion, provider: 'p', doStream: make }) }
      return (made(provider).model as { version: number }).version
    }
    assert.deepEqual(['v2', 'v3', 'v4', 'v5', 'v12'].map(versionOf), [2, 3, 4, 4, 4])
  })

  void it('is refused when it is no provider or too old, with the package named', () => {
    const v1 = { languageModel: () => ({ specificationVersion: 'v1', doStream: make }) }
    for (const product of [
      null,
      {},
      { languageModel: 1 },
      { languageModel: make },
      v1,
      { languageModel: () => ({ specificationVersion: 'v4' }) },
    ]) {
      assert.throws(
        () => made(product),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes('pkg') && error.hint.includes('npm install pkg'),
      )
    }
  })
})

/** A folder with packages in its `node_modules`, by name and source. */
async function withPackages(packages: Record<string, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-packages-'))
  try {
    for (const [name, source] of Object.entries(packages)) {
      const home = join(folder, 'node_modules', name)
      await mkdir(home, { recursive: true })
      // As the packages of the AI SDK are: a module, and nothing that `require` would find.
      const about = { name, version: '1.0.0', type: 'module', exports: { '.': { import: './index.js' } } }
      await writeFile(join(home, 'package.json'), JSON.stringify(about))
      await writeFile(join(home, 'index.js'), source)
    }
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const failureOf = async (name: string, folders: readonly string[] = []): Promise<{ message: string; hint: string }> => {
  const error: unknown = await loadPackage(name, folders).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(isOxbowError(error, 'bad_config'), `${name} is refused`)
  return error
}

void describe('a provider package', () => {
  void it('is found in the installation and in the folders that are named, and not in a folder above them', async () => {
    assert.ok('createOpenAI' in ((await loadPackage('@ai-sdk/openai', [])) as object))
    await withPackages({ '@oxbow-test/found': 'export const createFound = () => 1' }, async (folder) => {
      const inside = join(folder, 'deep')
      await mkdir(inside)
      assert.match((await failureOf('@oxbow-test/found', [inside])).message, /is not installed/)
      for (const folders of [
        ['/nowhere', folder],
        [inside, folder],
      ]) {
        assert.ok('createFound' in ((await loadPackage('@oxbow-test/found', folders)) as object))
      }
    })
  })

  void it('that is missing is an error that names what to install, and where', async () => {
    const { message, hint } = await failureOf('@ai-sdk/nothing-of-this-name', ['/home/me/.oxbow'])
    assert.equal(message, 'The package @ai-sdk/nothing-of-this-name is not installed.')
    assert.equal(hint, 'Run: npm install --prefix /home/me/.oxbow @ai-sdk/nothing-of-this-name')
    assert.equal((await failureOf('nothing-of-this-name')).hint, 'Run: npm install nothing-of-this-name')
  })

  void it('that fails to load is distinguished from one that is missing', async () => {
    const packages = { 'oxbow-test-broken': 'throw new Error("no good\\nstack")', 'oxbow-test-lacking': 'import "oxbow-test-other"' }
    await withPackages(packages, async (folder) => {
      assert.equal((await failureOf('oxbow-test-broken', [folder])).message, 'The package oxbow-test-broken cannot be loaded: no good')
      assert.match((await failureOf('oxbow-test-lacking', [folder])).message, /cannot be loaded: Cannot find package 'oxbow-test-other'/)
    })
  })

  void it('has the name of a package: no path, address, builtin or part of one is run', async () => {
    const hostile = ['', '.', '..', '../x', '/etc/x', './x.js', 'file:///x.js', 'data:text/javascript,1', 'node:fs', 'fs', 'http', 'a/b']
    for (const name of [...hostile, '@a/b/c', '@a', '@a/', '#x', 'X', 'a b', 'a\\b', '%2e', 'a'.repeat(215), '@ai-sdk/openai/internal']) {
      assert.match(
        (await failureOf(name)).message,
        /^(?:The package of the provider is not a valid npm package name|The provider names no package)/,
      )
    }
  })

  void it('that is missing is an error event, and is looked for again in the next generation', async () => {
    const facts: ModelFacts = plainFacts({ name: 'm', provider: 'p', contextTokens: 1, maxOutputTokens: 1, price: null })
    let loads = 0
    const load = (name: string): Promise<unknown> => {
      loads += 1
      return loadPackage(name, [])
    }
    const common = { facts: () => facts, clock: systemClock, limits: modelLimits, folders: [], headers: {}, load }
    const model = createAiSdkModel({ packageName: 'oxbow-test-none', provider: 'p', key: 'k', baseUrl: null, ...common })
    for (let time = 0; time < 2; time += 1) {
      const [event, ...more] = await collect(model, requestOf('hello'))
      assert.equal(event?.type === 'error' && event.failure.code, 'bad_config')
      assert.deepEqual(more, [])
    }
    assert.equal(loads, 2)
  })
})
