;; One question against many vectors of eight bits a number: the inner loop of a search. WebAssembly, because its instructions multiply
;; eight numbers at once. `node scripts/make-dot-program.ts` assembles it into dot-program.json.
(module
  (import "o" "memory" (memory 0))

  ;; Writes for each of $count vectors the sum of products with the question, as int32. All but the counts are addresses.
  ;; $codes: $stride bytes (int8) for each vector, one after the other. $question: $stride numbers of sixteen bits.
  ;; $stride: a multiple of 16, at least 16; what a vector does not need of it is zero.
  (func (export "run")
    (param $codes i32) (param $stride i32) (param $question i32) (param $count i32) (param $sums i32)
    (local $stop i32) (local $asked i32) (local $sum v128)
    block $done
      loop $vector
        local.get $count
        i32.eqz
        br_if $done

        v128.const i32x4 0 0 0 0
        local.set $sum
        local.get $question
        local.set $asked
        (local.set $stop (i32.add (local.get $codes) (local.get $stride)))

        ;; Sixteen numbers a round, in two halves.
        loop $sixteen
          local.get $sum
          (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $codes)) (v128.load (local.get $asked)))
          i32x4.add
          (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $codes)) (v128.load offset=16 (local.get $asked)))
          i32x4.add
          local.set $sum
          (local.set $asked (i32.add (local.get $asked) (i32.const 32)))
          (br_if $sixteen
            (i32.lt_u (local.tee $codes (i32.add (local.get $codes) (i32.const 16))) (local.get $stop)))
        end

        (i32.store (local.get $sums)
          (i32.add
            (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
            (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
        (local.set $sums (i32.add (local.get $sums) (i32.const 4)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        br $vector
      end
    end))
