/** `oxbow plugin new`, `sign` and `test`: for who writes a plugin. */
import { resolve } from 'node:path'
import { plainLine, plainText } from '../../terminal/index.ts'
import { loadPlugins, openHome } from '../../runner/index.ts'
import type { PluginTestResult } from '../../types/index.ts'
import { type CallOptions, outputOf } from '../kernel/call.ts'
import { withGuest } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'

interface JsonOption {
  readonly json?: boolean | undefined
}

export async function pluginNew(folder: string, { json }: JsonOption, terminal: Terminal): Promise<number> {
  const { newPlugin } = await loadPlugins()
  const name = await newPlugin(resolve(folder))
  if (json === true) printLine(terminal, JSON.stringify({ plugin: name, folder: resolve(folder) }))
  else printText(terminal, `Made the plugin ${name} in ${resolve(folder)}. Install it: oxbow plugin add ${folder}`)
  return 0
}

export async function pluginSign(
  folder: string,
  { key, json }: JsonOption & { readonly key: string },
  terminal: Terminal,
): Promise<number> {
  const { fingerprint, signFolder } = await loadPlugins()
  const { signer, madeKey } = await signFolder(resolve(folder), key)
  if (madeKey) printNotice(terminal, `Made the key ${resolve(key)}. Keep it: updates that another key has signed ask each person again.`)
  if (json === true) printLine(terminal, JSON.stringify({ signer, fingerprint: fingerprint(signer) }))
  else printLine(terminal, `Signed by the key ${fingerprint(signer)}`)
  return 0
}

/** @returns 1 if a test fails */
export async function pluginTest(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const { findPlugin } = await loadPlugins()
  findPlugin(openHome(terminal.env), name)
  return withGuest(options, terminal, async ({ gateway }) => {
    const { results } = (await outputOf(gateway, 'plugin.test', { plugin: name })) as { readonly results: readonly PluginTestResult[] }
    const failed = results.filter(({ ok }) => !ok)
    if (options.json === true) printLine(terminal, JSON.stringify({ results }))
    else {
      for (const { suite, name: title, ok, problem } of results)
        printText(terminal, `${ok ? 'passed' : 'failed'}  ${plainLine(`${suite} › ${title}`, 200)}${ok ? '' : `\n  ${plainText(problem)}`}`)
      printLine(
        terminal,
        results.length === 0 ? `${name} has no tests.` : `${results.length - failed.length} passed, ${failed.length} failed.`,
      )
    }
    return failed.length === 0 ? 0 : 1
  })
}
