/**
 * What a durable script has instead of a clock and chance of its own: calls, whose outcomes are on record. What could tell one run of the
 * interpreter from another is taken away, also from whoever reaches for the constructor of a date.
 */
export const durablePrelude: string = `(() => {
  const { call } = globalThis.oxbow
  const none = (name, instead) => () => {
    throw new Error(name + ' is not available in a program: use ' + instead)
  }
  const Day = Date
  const noClock = none('The clock', 'oxbow.now()')
  const Fixed = function Date(...parts) {
    if (new.target === undefined || parts.length === 0) return noClock()
    return new Day(...parts)
  }
  Fixed.prototype = Day.prototype
  Fixed.parse = Day.parse
  Fixed.UTC = Day.UTC
  Fixed.now = noClock
  Object.defineProperty(Day.prototype, 'constructor', { value: Fixed })
  globalThis.Date = Fixed
  Math.random = none('Math.random', 'oxbow.random()')
  for (const name of ['WeakRef', 'FinalizationRegistry', 'performance']) delete globalThis[name]
  const output = (name, input = {}) => call(name, input).output
  const now = () => output('program.now').at
  globalThis.oxbow = Object.freeze({
    call: (name, input = {}) => call(name, input),
    now,
    random: () => output('program.random').value,
    sleep: (seconds) => void call('program.wait', { until: now() + seconds * 1000 }),
    question: (question, choices = []) => output('program.question', { question, choices }).answer,
    ask: (prompt, options = {}) => output('program.ask', { prompt, ...options }).value,
    run: (program, input = {}) => {
      const { status, failure, result } = output('program.run', { program, input })
      if (status === 'success') return result
      throw Object.assign(new Error((failure && failure.message) || 'The program ' + program + ' was ' + status), failure || { code: 'cancelled' })
    },
  })
})()`
