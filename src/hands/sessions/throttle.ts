/**
 * Lets so many bytes through in a window of time and then holds the source until the next one. A program that writes without
 * end waits in its pipe instead of keeping hands busy with output of which only the newest part is kept.
 */

export interface Throttle {
  took(bytes: number): void
  /** No limit any more: the source ends. */
  release(): void
}

export function createThrottle(source: { pause(): unknown; resume(): unknown }, windowBytes: number, windowMs: number): Throttle {
  let begin = performance.now()
  let bytes = 0
  let held: NodeJS.Timeout | null = null
  let released = false
  const go = (): void => {
    held = null
    begin = performance.now()
    bytes = 0
    source.resume()
  }
  return {
    took(more) {
      const now = performance.now()
      if (now - begin > windowMs) {
        begin = now
        bytes = 0
      }
      bytes += more
      if (released || held !== null || bytes < windowBytes) return
      source.pause()
      held = setTimeout(go, Math.max(1, windowMs - (now - begin)))
    },
    release() {
      released = true
      if (held === null) return
      clearTimeout(held)
      go()
    },
  }
}
