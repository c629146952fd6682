/**
 * `oxbow/plugin` inside of the sandbox, where the package is not installed: plugins import it from this program. At run time it is one
 * function; the rest of it are types, and a fake process that tests of plugins use outside.
 */

const name = 'oxbow/plugin'
const source = 'export const definePlugin = (plugin) => plugin\n'

export function provideSdk(onResolved: (url: string) => void = () => {}): void {
  const { registerHooks } = process.getBuiltinModule('node:module')
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === name) return { url: `data:text/javascript,${encodeURIComponent(source)}`, format: 'module', shortCircuit: true }
      const found = next(specifier, context)
      onResolved(found.url)
      return found
    },
  })
}
