import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import { parseConfig } from '../config/index.ts'
import { findService, readModelName, type Service, type ServiceConfig } from './services.ts'

function services(document: object, env: Record<string, string> = {}): ServiceConfig {
  return { config: parseConfig(document, 'the test'), env }
}

const find = (id: string, document: object, env: Record<string, string> = {}): Service => findService(id, services(document, env))

/** @returns message and hint of the failure. */
function wrong(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!isOxbowError(error, 'bad_config')) throw error
    return `${error.message} ${error.hint}`
  }
  return assert.fail('nothing was wrong')
}

void describe('the key of a service', () => {
  const all = { MINE: 'of-mine', MAIN: 'of-main', GROQ_API_KEY: 'of-groq', API_KEY: 'of-all' }
  const groq = (api_key_env: string): object => ({ providers: { groq: { api_key_env } } })

  void it('is in the variable that the configuration names, else in the usual one of the provider, else in API_KEY', () => {
    assert.equal(find('groq', { model: { provider: 'groq', api_key_env: 'MAIN' }, ...groq('MINE') }, all).key, 'of-main')
    assert.equal(find('groq', groq('MINE'), all).key, 'of-mine')
    assert.equal(find('groq', {}, all).key, 'of-groq')
    assert.equal(find('groq', {}, { API_KEY: 'of-all' }).key, 'of-all')
    assert.equal(find('google', {}, { GOOGLE_API_KEY: 'second', API_KEY: 'of-all' }).key, 'second')
    assert.equal(find('google', {}, { GOOGLE_API_KEY: 'second', GEMINI_API_KEY: 'first' }).key, 'first')
    assert.equal(find('mine', { providers: { mine: { base_url: 'http://x/v1' } } }, { API_KEY: 'of-all' }).key, 'of-all')
  })

  void it('that the model section names is meant for its own provider alone', () => {
    const document = { model: { provider: 'openai', api_key_env: 'MAIN' } }
    assert.equal(find('openai', document, all).key, 'of-main')
    assert.equal(find('groq', document, all).key, 'of-groq')
  })

  void it('in a named variable that is unset or blank is an error that names it, and no other variable is taken', () => {
    for (const env of [{}, { MINE: ' ' }, { GROQ_API_KEY: 'of-groq', API_KEY: 'of-all' }]) {
      assert.match(
        wrong(() => find('groq', groq('MINE'), env)),
        /variable MINE is not set; groq needs a key.*in MINE,/,
      )
    }
    assert.match(
      wrong(() => find('mine', { providers: { mine: { base_url: 'http://x/v1', api_key_env: 'MINE' } } }, { API_KEY: 'k' })),
      /MINE is not set/,
    )
  })

  void it('is missed where it is sure to be needed, and nowhere else', () => {
    assert.match(
      wrong(() => find('groq', {})),
      /GROQ_API_KEY is not set.*GROQ_API_KEY or API_KEY/,
    )
    assert.equal(find('groq', { providers: { groq: { base_url: 'http://127.0.0.1:1/v1' } } }).key, '')
    assert.equal(find('mine', { providers: { mine: { base_url: 'http://x/v1' } } }).key, '')
    assert.equal(find('ollama', {}, { API_KEY: 'of-all' }).key, '', 'a service on this machine gets no key by chance')
  })

  void it('with a character that no header takes is an error that does not show it', () => {
    for (const key of ['s3cret\r\nx: y', 's3cret s3cret', 's3crét']) {
      const said = wrong(() => find('groq', {}, { GROQ_API_KEY: key }))
      assert.match(said, /GROQ_API_KEY contains invalid characters/)
      assert.equal(said.includes('s3cr'), false)
    }
    assert.equal(find('groq', {}, { GROQ_API_KEY: ' k \n' }).key, 'k', 'white space around it is no part of it')
  })
})

void describe('the headers of a service', () => {
  const mine = (headers: object): object => ({ providers: { mine: { base_url: 'http://x/v1', headers } } })

  void it('take secrets from variables, and name those that are not set', () => {
    const { headers } = find('mine', mine({ 'X-Token': 'Bearer $A-$B', 'X-Plain': '5 $' }), { A: '1', B: '2' })
    assert.deepEqual(headers, { 'x-token': 'Bearer 1-2', 'x-plain': '5 $' })
    assert.match(
      wrong(() => find('mine', mine({ 'X-Token': '$A-$B' }), { A: 's3cret' })),
      /variable B is not set; header X-Token of mine/,
    )
  })

  void it('that cannot be sent are errors that do not show them', () => {
    const said = wrong(() => find('mine', mine({ 'X-Token': '$A' }), { A: 's3cret\r\nx: y' }))
    assert.match(said, /header X-Token of mine contains invalid characters/)
    assert.equal(said.includes('s3cret'), false)
    assert.match(
      wrong(() => find('mine', mine({ 'a b': 'c' }))),
      /has an invalid header name/,
    )
  })
})

void describe('the address of a service', () => {
  void it('is the one of the model section, else of the provider section, else of the environment, else its own', () => {
    const at = (document: object, env: Record<string, string> = {}): Service => find('openai', document, { OPENAI_API_KEY: 'k', ...env })
    const own = { providers: { openai: { base_url: 'http://own/v1' } } }
    const env = { OPENAI_BASE_URL: 'http://env/v1' }
    assert.equal(at({ model: { provider: 'openai', base_url: 'http://main/v1' }, ...own }, env).baseUrl?.host, 'main')
    assert.equal(at(own, env).baseUrl?.host, 'own')
    assert.equal(at({}, env).baseUrl?.host, 'env')
    assert.deepEqual([at({}).baseUrl?.host, at({}).official], ['api.openai.com', true])
    assert.equal(at({}, env).official, false)
  })

  void it('that is invalid, or contains a password, is an error', () => {
    const mine = (base_url: string): string => wrong(() => find('mine', { providers: { mine: { base_url } } }))
    for (const address of ['', 'x', 'ftp://x', 'file:///etc/passwd']) assert.match(mine(address), /not an http or https address/)
    assert.match(mine('http://me:s3cret@x/v1'), /user name or password/)
    assert.equal(mine('http://me:s3cret@x/v1').includes('s3cret'), false)
  })

  void it('of an unknown provider is an error that lists the known ones', () => {
    assert.match(
      wrong(() => find('nobody', { providers: { mine: { base_url: 'http://x' } } })),
      /no provider nobody.*openai.*mine.*\[providers\.nobody\]/,
    )
    for (const name of ['constructor', '__proto__', 'toString'])
      assert.match(
        wrong(() => find(name, {})),
        /There is no provider/,
      )
  })
})

void describe('the name of a model', () => {
  const read = (text: string, model: object, providers: object = {}): string => {
    const { provider, model: name } = readModelName(text, services({ model, providers }, { OPENAI_API_KEY: 'k' }))
    return `${provider} | ${name}`
  }
  const router = { provider: 'openrouter', name: 'openai/gpt-5' }

  void it('is a provider and a model, or a model of the configured provider', () => {
    assert.equal(read('anthropic/claude-haiku-4-5', {}), 'anthropic | claude-haiku-4-5')
    assert.equal(read('gpt-5', {}), 'openai | gpt-5')
    assert.equal(read('meta/llama', {}), 'openai | meta/llama')
    assert.equal(read('mine/a/b', {}, { mine: { base_url: 'http://x' } }), 'mine | a/b')
    assert.equal(read('offline', { provider: 'offline' }), 'offline | offline')
    assert.equal(read('constructor/x', {}), 'openai | constructor/x')
    assert.equal(read('offline', {}), 'offline | offline', 'also where a key is set')
    assert.equal(read('', { name: 'offline' }), 'offline | offline')
    assert.equal(read('replay', {}), 'replay | replay')
    assert.equal(read('plugin:atlas', {}), 'plugin:atlas | TEXT_LARGE')
    assert.equal(read('plugin:atlas/TEXT_SMALL', {}), 'plugin:atlas | TEXT_SMALL')
  })

  void it('is the configured one when it is empty, and that one may begin like a provider', () => {
    assert.equal(read('', { name: 'anthropic/x' }), 'anthropic | x')
    assert.equal(read('', {}), 'openai | gpt-5-mini')
    assert.equal(read('', router), 'openrouter | openai/gpt-5')
    assert.equal(read(' ', router), 'openrouter | openai/gpt-5')
    assert.equal(read('openrouter/openai/gpt-5', router), 'openrouter | openai/gpt-5', 'its own label leads back to it')
  })

  void it('of a fallback names its provider, also when the chosen router has a model of that name', () => {
    assert.equal(read('openai/gpt-5', router), 'openai | gpt-5')
  })
})
