/**
 * The real guest with a bug: an error that nobody catches, each time that it reads the arguments `crashingArguments` of a model; with
 * `abort` as its argument it ends by a signal, as when memory runs out.
 */
export const crashingArguments = '{"path":"/shared/crash.txt"}'

const parse = JSON.parse
JSON.parse = (text, reviver) => {
  if (text === crashingArguments && process.argv[3] === 'abort') process.abort()
  if (text === crashingArguments)
    setImmediate(() => {
      throw new Error('a planted bug')
    })
  return parse(text, reviver) as unknown
}

if (process.argv[2] === 'serve') await import('../../src/guest/main.ts')
