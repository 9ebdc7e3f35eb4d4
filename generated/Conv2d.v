(* backflip theorems {"title": "Conv2d", "choices": {"bias": true, "batched": true, "padding_mode": "zeros"}} *)
(* Conv2d: 4 theorems, 29 steps, each a lemma that names the equation of
   the printed derivation. In each module: the definitions over any commutative ring; that every
   read is inside its tensor; the derivative, which is the eps part over dual numbers a + b eps,
   eps eps = 0; the steps; and `theorem`, which states everything that it supposes.
   By hand: coqc -Q . Backflip Backflip.v && coqc -Q . Backflip THIS.v; then coqchk. *)
From Backflip Require Import Backflip.
(* ---- the certificates of all side conditions ---- *)
Lemma side_1 : forall a_h d_h o_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= o_h ->
  0 <= a_h ->
  0 <= a_h * d_h + o_h * s_h.
Proof. intros a_h d_h o_h s_h _f7 _f8 _f30 _f36.
  apply (certificate (a_h * d_h + o_h * s_h)
    ((- (a_h * d_h + o_h * s_h) - 1) + o_h + a_h + (s_h - 1) * o_h + (d_h - 1) * a_h)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_2 : forall H H_out a_h d_h k_h o_h p_h q_h r_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= r_h ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= H_out - o_h - 1 ->
  0 <= - a_h + k_h - 1 ->
  0 <= - (a_h * d_h) - o_h * s_h + H + p_h + q_h - 1.
Proof. intros H H_out a_h d_h k_h o_h p_h q_h r_h s_h _f7 _f8 _f11 _f13 _f31 _f37.
  apply (certificate (- (a_h * d_h) - o_h * s_h + H + p_h + q_h - 1)
    ((- (- (a_h * d_h) - o_h * s_h + H + p_h + q_h - 1) - 1) + r_h + (H_out - o_h - 1) + (- a_h + k_h - 1) + (s_h - 1) * (H_out - o_h - 1) + (d_h - 1) * (- a_h + k_h - 1))
    (1 * (- (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f13. ring.
  - ring.
Qed.
Lemma side_3 : forall a_w d_w o_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= o_w ->
  0 <= a_w ->
  0 <= a_w * d_w + o_w * s_w.
Proof. intros a_w d_w o_w s_w _f17 _f18 _f32 _f38.
  apply (certificate (a_w * d_w + o_w * s_w)
    ((- (a_w * d_w + o_w * s_w) - 1) + o_w + a_w + (s_w - 1) * o_w + (d_w - 1) * a_w)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_4 : forall W W_out a_w d_w k_w o_w p_w q_w r_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= r_w ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  0 <= W_out - o_w - 1 ->
  0 <= - a_w + k_w - 1 ->
  0 <= - (a_w * d_w) - o_w * s_w + W + p_w + q_w - 1.
Proof. intros W W_out a_w d_w k_w o_w p_w q_w r_w s_w _f17 _f18 _f21 _f23 _f33 _f39.
  apply (certificate (- (a_w * d_w) - o_w * s_w + W + p_w + q_w - 1)
    ((- (- (a_w * d_w) - o_w * s_w + W + p_w + q_w - 1) - 1) + r_w + (W_out - o_w - 1) + (- a_w + k_w - 1) + (s_w - 1) * (W_out - o_w - 1) + (d_w - 1) * (- a_w + k_w - 1))
    (1 * (- (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f23. ring.
  - ring.
Qed.
Lemma side_5 : forall b_h d_h i_h : Z,
  0 <= d_h - 1 ->
  0 <= i_h ->
  0 <= b_h ->
  0 <= b_h * d_h + i_h.
Proof. intros b_h d_h i_h _f8 _f30 _f36.
  apply (certificate (b_h * d_h + i_h)
    ((- (b_h * d_h + i_h) - 1) + i_h + b_h + (d_h - 1) * b_h)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_6 : forall H H_out b_h d_h i_h k_h p_h q_h r_h s_h : Z,
  0 <= d_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= H - i_h - 1 ->
  0 <= - b_h + k_h - 1 ->
  0 <= H_out * s_h - b_h * d_h + 2 * d_h * k_h - 2 * d_h - i_h - p_h - q_h + r_h - s_h.
Proof. intros H H_out b_h d_h i_h k_h p_h q_h r_h s_h _f8 _f13 _f31 _f37.
  apply (certificate (H_out * s_h - b_h * d_h + 2 * d_h * k_h - 2 * d_h - i_h - p_h - q_h + r_h - s_h)
    ((- (H_out * s_h - b_h * d_h + 2 * d_h * k_h - 2 * d_h - i_h - p_h - q_h + r_h - s_h) - 1) + (H - i_h - 1) + (- b_h + k_h - 1) + (d_h - 1) * (- b_h + k_h - 1))
    ((- 1) * (- (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f13. ring.
  - ring.
Qed.
Lemma side_7 : forall b_w d_w i_w : Z,
  0 <= d_w - 1 ->
  0 <= i_w ->
  0 <= b_w ->
  0 <= b_w * d_w + i_w.
Proof. intros b_w d_w i_w _f18 _f32 _f38.
  apply (certificate (b_w * d_w + i_w)
    ((- (b_w * d_w + i_w) - 1) + i_w + b_w + (d_w - 1) * b_w)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_8 : forall W W_out b_w d_w i_w k_w p_w q_w r_w s_w : Z,
  0 <= d_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  0 <= W - i_w - 1 ->
  0 <= - b_w + k_w - 1 ->
  0 <= W_out * s_w - b_w * d_w + 2 * d_w * k_w - 2 * d_w - i_w - p_w - q_w + r_w - s_w.
Proof. intros W W_out b_w d_w i_w k_w p_w q_w r_w s_w _f18 _f23 _f33 _f39.
  apply (certificate (W_out * s_w - b_w * d_w + 2 * d_w * k_w - 2 * d_w - i_w - p_w - q_w + r_w - s_w)
    ((- (W_out * s_w - b_w * d_w + 2 * d_w * k_w - 2 * d_w - i_w - p_w - q_w + r_w - s_w) - 1) + (W - i_w - 1) + (- b_w + k_w - 1) + (d_w - 1) * (- b_w + k_w - 1))
    ((- 1) * (- (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f23. ring.
  - ring.
Qed.
Lemma side_9 : forall a_h d_h i_h o_h p_h s_h : Z,
  0 <= i_h ->
  - (a_h * d_h) - o_h * s_h + i_h + p_h = 0 ->
  0 <= a_h * d_h + o_h * s_h - p_h.
Proof. intros a_h d_h i_h o_h p_h s_h _f30 _f44.
  apply (certificate (a_h * d_h + o_h * s_h - p_h)
    ((- (a_h * d_h + o_h * s_h - p_h) - 1) + i_h)
    ((- 1) * (- (a_h * d_h) - o_h * s_h + i_h + p_h)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f44. ring.
  - ring.
Qed.
Lemma side_10 : forall H a_h d_h i_h o_h p_h s_h : Z,
  0 <= H - i_h - 1 ->
  - (a_h * d_h) - o_h * s_h + i_h + p_h = 0 ->
  0 <= - (a_h * d_h) - o_h * s_h + H + p_h - 1.
Proof. intros H a_h d_h i_h o_h p_h s_h _f31 _f44.
  apply (certificate (- (a_h * d_h) - o_h * s_h + H + p_h - 1)
    ((- (- (a_h * d_h) - o_h * s_h + H + p_h - 1) - 1) + (H - i_h - 1))
    (1 * (- (a_h * d_h) - o_h * s_h + i_h + p_h)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f44. ring.
  - ring.
Qed.
Lemma side_11 : forall a_w d_w i_w o_w p_w s_w : Z,
  0 <= i_w ->
  - (a_w * d_w) - o_w * s_w + i_w + p_w = 0 ->
  0 <= a_w * d_w + o_w * s_w - p_w.
Proof. intros a_w d_w i_w o_w p_w s_w _f32 _f45.
  apply (certificate (a_w * d_w + o_w * s_w - p_w)
    ((- (a_w * d_w + o_w * s_w - p_w) - 1) + i_w)
    ((- 1) * (- (a_w * d_w) - o_w * s_w + i_w + p_w)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f45. ring.
  - ring.
Qed.
Lemma side_12 : forall W a_w d_w i_w o_w p_w s_w : Z,
  0 <= W - i_w - 1 ->
  - (a_w * d_w) - o_w * s_w + i_w + p_w = 0 ->
  0 <= - (a_w * d_w) - o_w * s_w + W + p_w - 1.
Proof. intros W a_w d_w i_w o_w p_w s_w _f33 _f45.
  apply (certificate (- (a_w * d_w) - o_w * s_w + W + p_w - 1)
    ((- (- (a_w * d_w) - o_w * s_w + W + p_w - 1) - 1) + (W - i_w - 1))
    (1 * (- (a_w * d_w) - o_w * s_w + i_w + p_w)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f45. ring.
  - ring.
Qed.
Lemma side_13 : forall b_h d_h i_h k_h o_h p_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= o_h ->
  b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h = 0 ->
  0 <= b_h * d_h - d_h * k_h + d_h + i_h + p_h.
Proof. intros b_h d_h i_h k_h o_h p_h s_h _f7 _f40 _f44.
  apply (certificate (b_h * d_h - d_h * k_h + d_h + i_h + p_h)
    ((- (b_h * d_h - d_h * k_h + d_h + i_h + p_h) - 1) + o_h + (s_h - 1) * o_h)
    (1 * (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f44. ring.
  - ring.
Qed.
Lemma side_14 : forall H_out b_h d_h i_h k_h o_h p_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= H_out - o_h - 1 ->
  b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h = 0 ->
  0 <= H_out * s_h - b_h * d_h + d_h * k_h - d_h - i_h - p_h - s_h.
Proof. intros H_out b_h d_h i_h k_h o_h p_h s_h _f7 _f41 _f44.
  apply (certificate (H_out * s_h - b_h * d_h + d_h * k_h - d_h - i_h - p_h - s_h)
    ((- (H_out * s_h - b_h * d_h + d_h * k_h - d_h - i_h - p_h - s_h) - 1) + (H_out - o_h - 1) + (s_h - 1) * (H_out - o_h - 1))
    ((- 1) * (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f44. ring.
  - ring.
Qed.
Lemma side_15 : forall b_w d_w i_w k_w o_w p_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= o_w ->
  b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w = 0 ->
  0 <= b_w * d_w - d_w * k_w + d_w + i_w + p_w.
Proof. intros b_w d_w i_w k_w o_w p_w s_w _f17 _f42 _f45.
  apply (certificate (b_w * d_w - d_w * k_w + d_w + i_w + p_w)
    ((- (b_w * d_w - d_w * k_w + d_w + i_w + p_w) - 1) + o_w + (s_w - 1) * o_w)
    (1 * (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f45. ring.
  - ring.
Qed.
Lemma side_16 : forall W_out b_w d_w i_w k_w o_w p_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= W_out - o_w - 1 ->
  b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w = 0 ->
  0 <= W_out * s_w - b_w * d_w + d_w * k_w - d_w - i_w - p_w - s_w.
Proof. intros W_out b_w d_w i_w k_w o_w p_w s_w _f17 _f43 _f45.
  apply (certificate (W_out * s_w - b_w * d_w + d_w * k_w - d_w - i_w - p_w - s_w)
    ((- (W_out * s_w - b_w * d_w + d_w * k_w - d_w - i_w - p_w - s_w) - 1) + (W_out - o_w - 1) + (s_w - 1) * (W_out - o_w - 1))
    ((- 1) * (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f45. ring.
  - ring.
Qed.
Lemma side_17 : forall a_h d_h z_h : Z,
  0 <= d_h - 1 ->
  0 <= a_h ->
  0 <= z_h ->
  0 <= a_h * d_h + z_h.
Proof. intros a_h d_h z_h _f8 _f30 _f36.
  apply (certificate (a_h * d_h + z_h)
    ((- (a_h * d_h + z_h) - 1) + a_h + z_h + (d_h - 1) * a_h)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_18 : forall H H_out a_h d_h k_h p_h q_h r_h s_h z_h : Z,
  0 <= d_h - 1 ->
  0 <= r_h ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= - a_h + k_h - 1 ->
  0 <= H_out * s_h - s_h - z_h ->
  0 <= - (a_h * d_h) + H + p_h + q_h - z_h - 1.
Proof. intros H H_out a_h d_h k_h p_h q_h r_h s_h z_h _f8 _f11 _f13 _f31 _f37.
  apply (certificate (- (a_h * d_h) + H + p_h + q_h - z_h - 1)
    ((- (- (a_h * d_h) + H + p_h + q_h - z_h - 1) - 1) + r_h + (- a_h + k_h - 1) + (H_out * s_h - s_h - z_h) + (d_h - 1) * (- a_h + k_h - 1))
    (1 * (- (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f13. ring.
  - ring.
Qed.
Lemma side_19 : forall a_w d_w z_w : Z,
  0 <= d_w - 1 ->
  0 <= a_w ->
  0 <= z_w ->
  0 <= a_w * d_w + z_w.
Proof. intros a_w d_w z_w _f18 _f32 _f38.
  apply (certificate (a_w * d_w + z_w)
    ((- (a_w * d_w + z_w) - 1) + a_w + z_w + (d_w - 1) * a_w)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_20 : forall W W_out a_w d_w k_w p_w q_w r_w s_w z_w : Z,
  0 <= d_w - 1 ->
  0 <= r_w ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  0 <= - a_w + k_w - 1 ->
  0 <= W_out * s_w - s_w - z_w ->
  0 <= - (a_w * d_w) + W + p_w + q_w - z_w - 1.
Proof. intros W W_out a_w d_w k_w p_w q_w r_w s_w z_w _f18 _f21 _f23 _f33 _f39.
  apply (certificate (- (a_w * d_w) + W + p_w + q_w - z_w - 1)
    ((- (- (a_w * d_w) + W + p_w + q_w - z_w - 1) - 1) + r_w + (- a_w + k_w - 1) + (W_out * s_w - s_w - z_w) + (d_w - 1) * (- a_w + k_w - 1))
    (1 * (- (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1)) 1%positive).
  - intro _f. nonnegative.
  - rewrite !_f23. ring.
  - ring.
Qed.
Lemma side_21 : forall o_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= o_w ->
  0 <= o_w * s_w.
Proof. intros o_w s_w _f17 _f40.
  apply (certificate (o_w * s_w)
    ((- (o_w * s_w) - 1) + o_w + (s_w - 1) * o_w)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_22 : forall W_out o_w s_w : Z,
  0 <= s_w - 1 ->
  0 <= W_out - o_w - 1 ->
  0 <= W_out * s_w - o_w * s_w - s_w.
Proof. intros W_out o_w s_w _f17 _f41.
  apply (certificate (W_out * s_w - o_w * s_w - s_w)
    ((- (W_out * s_w - o_w * s_w - s_w) - 1) + (W_out - o_w - 1) + (s_w - 1) * (W_out - o_w - 1))
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_23 : forall o_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= o_h ->
  0 <= o_h * s_h.
Proof. intros o_h s_h _f7 _f36.
  apply (certificate (o_h * s_h)
    ((- (o_h * s_h) - 1) + o_h + (s_h - 1) * o_h)
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Lemma side_24 : forall H_out o_h s_h : Z,
  0 <= s_h - 1 ->
  0 <= H_out - o_h - 1 ->
  0 <= H_out * s_h - o_h * s_h - s_h.
Proof. intros H_out o_h s_h _f7 _f37.
  apply (certificate (H_out * s_h - o_h * s_h - s_h)
    ((- (H_out * s_h - o_h * s_h - s_h) - 1) + (H_out - o_h - 1) + (s_h - 1) * (H_out - o_h - 1))
    (0) 1%positive).
  - intro _f. nonnegative.
  - ring.
  - ring.
Qed.
Module Claim_output.
Module Definitions.
Section Over_a_ring.
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Definition output (n g k o_h o_w : Z) : R :=
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Definition loss : R :=
  (Σ n < N, Σ g < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w) *! (output n g k o_h o_w))).
Definition padded_input (n g c e_h e_w : Z) : R :=
  ([inside (e_h - p_h) H && inside (e_w - p_w) W] ((input n g c (e_h - p_h) (e_w - p_w)))).
Definition correlated (n g k o_h o_w : Z) : R :=
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, ((weight g k c a_h a_w) *! (padded_input n g c (a_h * d_h + o_h * s_h) (a_w * d_w + o_w * s_w)))) +! (((bias g k))).
End Over_a_ring.
End Definitions.
Section Sizes.
Set Default Proof Using "All".
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
(* a length, rounded down *)
Lemma length_H_out : H_out = (- (d_h * k_h) + H + d_h + p_h + q_h - 1) / s_h + 1.
Proof. exact (quotient H_out s_h r_h _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  fact_11 fact_12 ltac:(ring) (same_by _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  (s_h * (H_out - 1) + r_h) fact_13 ltac:(ring))). Qed.
(* a length, rounded down *)
Lemma length_W_out : W_out = (- (d_w * k_w) + W + d_w + p_w + q_w - 1) / s_w + 1.
Proof. exact (quotient W_out s_w r_w _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  fact_21 fact_22 ltac:(ring) (same_by _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  (s_w * (W_out - 1) + r_w) fact_23 ltac:(ring))). Qed.
(* every read of output, term 1, is inside its tensor *)
Lemma reads_output_1 :
  forall n g k o_h o_w c a_h a_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W = true ->
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= a_h < k_h /\ 0 <= a_w < k_w /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + o_h * s_h - p_h < H /\ 0 <= a_w * d_w + o_w * s_w - p_w < W.
Proof. intros n g k o_h o_w c a_h a_w n_range g_range k_range o_h_range o_w_range c_range a_h_range a_w_range _c. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of output, term 2, is inside its tensor *)
Lemma reads_output_2 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= g < groups /\ 0 <= k < K.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))). Qed.
(* every read of loss, term 1, is inside its tensor *)
Lemma reads_loss_1 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of padded_input, term 1, is inside its tensor *)
Lemma reads_padded_input_1 :
  forall n g c e_h e_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= c < C -> 0 <= e_h < (H + p_h + q_h) -> 0 <= e_w < (W + p_w + q_w) -> inside (e_h - p_h) H && inside (e_w - p_w) W = true ->
  0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= e_h - p_h < H /\ 0 <= e_w - p_w < W.
Proof. intros n g c e_h e_w n_range g_range c_range e_h_range e_w_range _c. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (e_h - p_h) H (H - e_h + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (H - e_h + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (e_w - p_w) W (W - e_w + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (W - e_w + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring)))))). Qed.
(* every read of correlated, term 1, is inside its tensor *)
Lemma reads_correlated_1 :
  forall n g k o_h o_w c a_h a_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> 
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= a_h < k_h /\ 0 <= a_w < k_w /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + o_h * s_h < (H + p_h + q_h) /\ 0 <= a_w * d_w + o_w * s_w < (W + p_w + q_w).
Proof. intros n g k o_h o_w c a_h a_w n_range g_range k_range o_h_range o_w_range c_range a_h_range a_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + o_h * s_h) (H + p_h + q_h) (- (a_h * d_h) - o_h * s_h + H + p_h + q_h - 1) (side_1 a_h d_h o_h s_h fact_7 fact_8 (proj1 o_h_range) (proj1 a_h_range)) (side_2 H H_out a_h d_h k_h o_h p_h q_h r_h s_h fact_7 fact_8 fact_11 fact_13 (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring))) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w) (W + p_w + q_w) (- (a_w * d_w) - o_w * s_w + W + p_w + q_w - 1) (side_3 a_w d_w o_w s_w fact_17 fact_18 (proj1 o_w_range) (proj1 a_w_range)) (side_4 W W_out a_w d_w k_w o_w p_w q_w r_w s_w fact_17 fact_18 fact_21 fact_23 (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring))) ltac:(ring))))))))))). Qed.
(* every read of correlated, term 2, is inside its tensor *)
Lemma reads_correlated_2 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= g < groups /\ 0 <= k < K.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))). Qed.
End Sizes.
Section Proof.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Local Notation output := (Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias).
Local Notation loss := (Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output).
Local Notation padded_input := (Definitions.padded_input R H p_h W p_w input).
Local Notation correlated := (Definitions.correlated R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias).
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Variable n : Z.
Hypothesis n_low : 0 <= n.
Hypothesis n_high : 0 <= N - n - 1.
Variable g : Z.
Hypothesis g_low : 0 <= g.
Hypothesis g_high : 0 <= - g + groups - 1.
Variable k : Z.
Hypothesis k_low : 0 <= k.
Hypothesis k_high : 0 <= K - k - 1.
Variable o_h : Z.
Hypothesis o_h_low : 0 <= o_h.
Hypothesis o_h_high : 0 <= H_out - o_h - 1.
Variable o_w : Z.
Hypothesis o_w_low : 0 <= o_w.
Hypothesis o_w_high : 0 <= W_out - o_w - 1.
Add Ring ring_of_proof : (laws R).
Ltac algebra := ring.
(* (1) unfold: definition of output (the layer) *)
Lemma left_1 :
  (((output n g k o_h o_w))) =
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Proof.
pose (_f := fun _x : R => (_x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (output n g k o_h o_w) = (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k)))) by (unfold Definitions.output; same).
match goal with |- _ = ?right_ => change (_f (output n g k o_h o_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
repeat rewrite (linear_add R _f _ _ _L).
apply add_same.
{
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros c c_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_h a_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_w a_w_range; cbv beta.
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
}
{
unfold _f.
algebra.
}
Qed.
Lemma left_side :
  (((output n g k o_h o_w))) =
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Proof.
etransitivity; [exact left_1|].
reflexivity.
Qed.
(* (2) unfold: definition of padded_input (zero padding) *)
Lemma right_1 :
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, ((weight g k c a_h a_w) *! (padded_input n g c (a_h * d_h + o_h * s_h) (a_w * d_w + o_w * s_w)))) =
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros c c_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
apply sum_ext; intros a_w a_w_range; cbv beta.
pose (_f := fun _x : R => ((weight g k c a_h a_w) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (padded_input n g c (a_h * d_h + o_h * s_h) (a_w * d_w + o_w * s_w)) = ([inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w))))) by (unfold Definitions.padded_input; same).
match goal with |- _ = ?right_ => change (_f (padded_input n g c (a_h * d_h + o_h * s_h) (a_w * d_w + o_w * s_w)) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
Lemma right_side :
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, ((weight g k c a_h a_w) *! (padded_input n g c (a_h * d_h + o_h * s_h) (a_w * d_w + o_w * s_w)))) +! (((bias g k))) =
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Proof.
transitivity ((Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k)))); [rewrite right_1; algebra|].
reflexivity.
Qed.
(* both sides are the same sum *)
Lemma sides_meet :
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))) =
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Proof.
transitivity ((Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k)))); [|algebra].
apply add_same.
{
transitivity ((Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) : R); [|same].
apply sum_ext; intros c c_range.
apply sum_ext; intros a_h a_h_range.
apply sum_ext; intros a_w a_w_range.
transitivity ([inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
- apply guard_rule; intro _c; [exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c)) | exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c))].
- apply brk_same; [reflexivity | algebra].
}
{
transitivity ((((bias g k))) : R); [|same].
algebra.
}
Qed.
Theorem holds : (((output n g k o_h o_w))) = correlated n g k o_h o_w.
Proof. unfold Definitions.correlated. exact (eq_trans left_side (eq_trans sides_meet (eq_sym right_side))). Qed.
End Proof.
Lemma not_empty : exists N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w n g k o_h o_w : Z,
  0 <= N - 1 /\
  0 <= groups - 1 /\
  0 <= C - 1 /\
  0 <= K - 1 /\
  0 <= H - 1 /\
  0 <= H_out - 1 /\
  0 <= k_h - 1 /\
  0 <= s_h - 1 /\
  0 <= d_h - 1 /\
  0 <= p_h /\
  0 <= q_h /\
  0 <= r_h /\
  0 <= - r_h + s_h - 1 /\
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 /\
  0 <= W - 1 /\
  0 <= W_out - 1 /\
  0 <= k_w - 1 /\
  0 <= s_w - 1 /\
  0 <= d_w - 1 /\
  0 <= p_w /\
  0 <= q_w /\
  0 <= r_w /\
  0 <= - r_w + s_w - 1 /\
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 /\
  0 <= n /\
  0 <= N - n - 1 /\
  0 <= g /\
  0 <= - g + groups - 1 /\
  0 <= k /\
  0 <= K - k - 1 /\
  0 <= o_h /\
  0 <= H_out - o_h - 1 /\
  0 <= o_w /\
  0 <= W_out - o_w - 1.
Proof. exists 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0. repeat split; apply Z.leb_le || idtac; reflexivity. Qed.
Theorem theorem :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> Z -> R) (bias : Z -> Z -> R) (grad_output : Z -> Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall n : Z, 0 <= n -> 0 <= N - n - 1 ->
  forall g : Z, 0 <= g -> 0 <= - g + groups - 1 ->
  forall k : Z, 0 <= k -> 0 <= K - k - 1 ->
  forall o_h : Z, 0 <= o_h -> 0 <= H_out - o_h - 1 ->
  forall o_w : Z, 0 <= o_w -> 0 <= W_out - o_w - 1 ->
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias n g k o_h o_w =
  Definitions.correlated R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias n g k o_h o_w.
Proof. exact holds. Qed.
(* the same in PyTorch's layout *)
Theorem theorem_in_pytorch_layout :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> R) (bias : Z -> R) (grad_output : Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall _m0 _m1 _m2 _m3 : Z, 0 <= _m0 < N -> 0 <= _m1 < (groups * K) -> 0 <= _m2 < H_out -> 0 <= _m3 < W_out ->
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) _m0 (_m1 / K) (_m1 mod K) _m2 _m3 =
  Definitions.correlated R C H k_h s_h d_h p_h W k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) _m0 (_m1 / K) (_m1 mod K) _m2 _m3.
Proof.
intros R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w input weight bias grad_output fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 
  _m0 _m1 _m2 _m3 _m0_range _m1_range _m2_range _m3_range.
exact (theorem R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 _m0 (proj1 _m0_range) (range_high _m0 N (N - _m0 - 1) _m0_range ltac:(ring)) (_m1 / K) (proj1 (flat_row _m1 K _ fact_3 _m1_range)) (range_high (_m1 / K) groups (- (_m1 / K) + groups - 1) (flat_row _m1 K _ fact_3 _m1_range) ltac:(ring)) (_m1 mod K) (proj1 (flat_column _m1 K fact_3)) (range_high (_m1 mod K) K (K - (_m1 mod K) - 1) (flat_column _m1 K fact_3) ltac:(ring)) _m2 (proj1 _m2_range) (range_high _m2 H_out (H_out - _m2 - 1) _m2_range ltac:(ring)) _m3 (proj1 _m3_range) (range_high _m3 W_out (W_out - _m3 - 1) _m3_range ltac:(ring)) ).
Qed.
End Claim_output.
Module Claim_input.
Module Definitions.
Section Over_a_ring.
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Definition output (n g k o_h o_w : Z) : R :=
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Definition loss : R :=
  (Σ n < N, Σ g < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w) *! (output n g k o_h o_w))).
Definition spread (n g k z_h z_w : Z) : R :=
  (Σ o_h < H_out, Σ o_w < W_out, [(- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0)] ((grad_output n g k o_h o_w))).
Definition bordered (n g k e_h e_w : Z) : R :=
  ([inside (- (d_h * k_h) + d_h + e_h + p_h) (H_out * s_h - s_h + 1) && inside (- (d_w * k_w) + d_w + e_w + p_w) (W_out * s_w - s_w + 1)] ((spread n g k (- (d_h * k_h) + d_h + e_h + p_h) (- (d_w * k_w) + d_w + e_w + p_w)))).
Definition flipped (g c k b_h b_w : Z) : R :=
  (((weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1)))).
Definition grad_input (n g c i_h i_w : Z) : R :=
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, ((bordered n g k (b_h * d_h + i_h) (b_w * d_w + i_w)) *! (flipped g c k b_h b_w))).
End Over_a_ring.
End Definitions.
Section Sizes.
Set Default Proof Using "All".
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
(* a length, rounded down *)
Lemma length_H_out : H_out = (- (d_h * k_h) + H + d_h + p_h + q_h - 1) / s_h + 1.
Proof. exact (quotient H_out s_h r_h _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  fact_11 fact_12 ltac:(ring) (same_by _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  (s_h * (H_out - 1) + r_h) fact_13 ltac:(ring))). Qed.
(* a length, rounded down *)
Lemma length_W_out : W_out = (- (d_w * k_w) + W + d_w + p_w + q_w - 1) / s_w + 1.
Proof. exact (quotient W_out s_w r_w _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  fact_21 fact_22 ltac:(ring) (same_by _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  (s_w * (W_out - 1) + r_w) fact_23 ltac:(ring))). Qed.
(* every read of output, term 1, is inside its tensor *)
Lemma reads_output_1 :
  forall n g k o_h o_w c a_h a_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W = true ->
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= a_h < k_h /\ 0 <= a_w < k_w /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + o_h * s_h - p_h < H /\ 0 <= a_w * d_w + o_w * s_w - p_w < W.
Proof. intros n g k o_h o_w c a_h a_w n_range g_range k_range o_h_range o_w_range c_range a_h_range a_w_range _c. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of output, term 2, is inside its tensor *)
Lemma reads_output_2 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= g < groups /\ 0 <= k < K.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))). Qed.
(* every read of loss, term 1, is inside its tensor *)
Lemma reads_loss_1 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of spread, term 1, is inside its tensor *)
Lemma reads_spread_1 :
  forall n g k z_h z_w o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= z_h < (H_out * s_h - s_h + 1) -> 0 <= z_w < (W_out * s_w - s_w + 1) -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> (- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0) = true ->
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k z_h z_w o_h o_w n_range g_range k_range z_h_range z_w_range o_h_range o_w_range _c. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)))))). Qed.
(* every read of bordered, term 1, is inside its tensor *)
Lemma reads_bordered_1 :
  forall n g k e_h e_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= e_h < (H_out * s_h + 2 * d_h * k_h - 2 * d_h - p_h - q_h + r_h - s_h + 1) -> 0 <= e_w < (W_out * s_w + 2 * d_w * k_w - 2 * d_w - p_w - q_w + r_w - s_w + 1) -> inside (- (d_h * k_h) + d_h + e_h + p_h) (H_out * s_h - s_h + 1) && inside (- (d_w * k_w) + d_w + e_w + p_w) (W_out * s_w - s_w + 1) = true ->
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= - (d_h * k_h) + d_h + e_h + p_h < (H_out * s_h - s_h + 1) /\ 0 <= - (d_w * k_w) + d_w + e_w + p_w < (W_out * s_w - s_w + 1).
Proof. intros n g k e_h e_w n_range g_range k_range e_h_range e_w_range _c. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro (- (d_h * k_h) + d_h + e_h + p_h) (H_out * s_h - s_h + 1) (H_out * s_h + d_h * k_h - d_h - e_h - p_h - s_h) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (H_out * s_h + d_h * k_h - d_h - e_h - p_h - s_h) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (- (d_w * k_w) + d_w + e_w + p_w) (W_out * s_w - s_w + 1) (W_out * s_w + d_w * k_w - d_w - e_w - p_w - s_w) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (W_out * s_w + d_w * k_w - d_w - e_w - p_w - s_w) (and_right _ _ _c) ltac:(ring)) ltac:(ring)))))). Qed.
(* every read of flipped, term 1, is inside its tensor *)
Lemma reads_flipped_1 :
  forall g c k b_h b_w : Z, 0 <= g < groups -> 0 <= c < C -> 0 <= k < K -> 0 <= b_h < k_h -> 0 <= b_w < k_w -> 
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= - b_h + k_h - 1 < k_h /\ 0 <= - b_w + k_w - 1 < k_w.
Proof. intros g c k b_h b_w g_range c_range k_range b_h_range b_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (- b_h + k_h - 1) k_h (b_h) (range_high _ _ (- b_h + k_h - 1) b_h_range ltac:(ring)) (proj1 b_h_range) ltac:(ring)) (range_intro (- b_w + k_w - 1) k_w (b_w) (range_high _ _ (- b_w + k_w - 1) b_w_range ltac:(ring)) (proj1 b_w_range) ltac:(ring)))))). Qed.
(* every read of grad_input, term 1, is inside its tensor *)
Lemma reads_grad_input_1 :
  forall n g c i_h i_w k b_h b_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= c < C -> 0 <= i_h < H -> 0 <= i_w < W -> 0 <= k < K -> 0 <= b_h < k_h -> 0 <= b_w < k_w -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= b_h * d_h + i_h < (H_out * s_h + 2 * d_h * k_h - 2 * d_h - p_h - q_h + r_h - s_h + 1) /\ 0 <= b_w * d_w + i_w < (W_out * s_w + 2 * d_w * k_w - 2 * d_w - p_w - q_w + r_w - s_w + 1) /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= k < K /\ 0 <= b_h < k_h /\ 0 <= b_w < k_w.
Proof. intros n g c i_h i_w k b_h b_w n_range g_range c_range i_h_range i_w_range k_range b_h_range b_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro (b_h * d_h + i_h) (H_out * s_h + 2 * d_h * k_h - 2 * d_h - p_h - q_h + r_h - s_h + 1) (H_out * s_h - b_h * d_h + 2 * d_h * k_h - 2 * d_h - i_h - p_h - q_h + r_h - s_h) (side_5 b_h d_h i_h fact_8 (proj1 i_h_range) (proj1 b_h_range)) (side_6 H H_out b_h d_h i_h k_h p_h q_h r_h s_h fact_8 fact_13 (range_high _ _ (H - i_h - 1) i_h_range ltac:(ring)) (range_high _ _ (- b_h + k_h - 1) b_h_range ltac:(ring))) ltac:(ring)) (conj (range_intro (b_w * d_w + i_w) (W_out * s_w + 2 * d_w * k_w - 2 * d_w - p_w - q_w + r_w - s_w + 1) (W_out * s_w - b_w * d_w + 2 * d_w * k_w - 2 * d_w - i_w - p_w - q_w + r_w - s_w) (side_7 b_w d_w i_w fact_18 (proj1 i_w_range) (proj1 b_w_range)) (side_8 W W_out b_w d_w i_w k_w p_w q_w r_w s_w fact_18 fact_23 (range_high _ _ (W - i_w - 1) i_w_range ltac:(ring)) (range_high _ _ (- b_w + k_w - 1) b_w_range ltac:(ring))) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro b_h k_h (- b_h + k_h - 1) (proj1 b_h_range) (range_high _ _ (- b_h + k_h - 1) b_h_range ltac:(ring)) ltac:(ring)) (range_intro b_w k_w (- b_w + k_w - 1) (proj1 b_w_range) (range_high _ _ (- b_w + k_w - 1) b_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
End Sizes.
Section Proof.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Local Notation output := (Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias).
Local Notation loss := (Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output).
Local Notation spread := (Definitions.spread R H_out s_h W_out s_w grad_output).
Local Notation bordered := (Definitions.bordered R H_out k_h s_h d_h p_h W_out k_w s_w d_w p_w grad_output).
Local Notation flipped := (Definitions.flipped R k_h k_w weight).
Local Notation grad_input := (Definitions.grad_input R K H_out k_h s_h d_h p_h W_out k_w s_w d_w p_w weight grad_output).
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Variable n : Z.
Hypothesis n_low : 0 <= n.
Hypothesis n_high : 0 <= N - n - 1.
Variable g : Z.
Hypothesis g_low : 0 <= g.
Hypothesis g_high : 0 <= - g + groups - 1.
Variable c : Z.
Hypothesis c_low : 0 <= c.
Hypothesis c_high : 0 <= C - c - 1.
Variable i_h : Z.
Hypothesis i_h_low : 0 <= i_h.
Hypothesis i_h_high : 0 <= H - i_h - 1.
Variable i_w : Z.
Hypothesis i_w_low : 0 <= i_w.
Hypothesis i_w_high : 0 <= W - i_w - 1.
Add Ring ring_of_proof : (laws R).
Ltac algebra := ring.
Definition dual_input : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => seeded (input _j0 _j1 _j2 _j3 _j4) ((_j0 - n =? 0) && (_j1 - g =? 0) && (_j2 - c =? 0) && (_j3 - i_h =? 0) && (_j4 - i_w =? 0)).
Definition dual_weight : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (weight _j0 _j1 _j2 _j3 _j4).
Definition dual_bias : Z -> Z -> dual R := fun _j0 _j1 => fixed (bias _j0 _j1).
Definition dual_grad_output : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4).
Lemma val_input : forall _j0 _j1 _j2 _j3 _j4, val (dual_input _j0 _j1 _j2 _j3 _j4) = input _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_input : values derivatives.
Lemma eps_input : forall _j0 _j1 _j2 _j3 _j4, eps (dual_input _j0 _j1 _j2 _j3 _j4) = [(_j0 - n =? 0) && (_j1 - g =? 0) && (_j2 - c =? 0) && (_j3 - i_h =? 0) && (_j4 - i_w =? 0)] (one : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_input : derivatives.
Lemma val_weight : forall _j0 _j1 _j2 _j3 _j4, val (dual_weight _j0 _j1 _j2 _j3 _j4) = weight _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_weight : values derivatives.
Lemma eps_weight : forall _j0 _j1 _j2 _j3 _j4, eps (dual_weight _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_weight : derivatives.
Lemma val_bias : forall _j0 _j1, val (dual_bias _j0 _j1) = bias _j0 _j1.
Proof. reflexivity. Qed.
Hint Rewrite val_bias : values derivatives.
Lemma eps_bias : forall _j0 _j1, eps (dual_bias _j0 _j1) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_bias : derivatives.
Lemma val_grad_output : forall _j0 _j1 _j2 _j3 _j4, val (dual_grad_output _j0 _j1 _j2 _j3 _j4) = grad_output _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_grad_output : values derivatives.
Lemma eps_grad_output : forall _j0 _j1 _j2 _j3 _j4, eps (dual_grad_output _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_grad_output : derivatives.
Lemma val_output : forall n'__ g'__ k'__ o_h'__ o_w'__, val (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. intros. unfold Definitions.output. value. Qed.
Hint Rewrite val_output : values derivatives.
Definition d_output (n'__ g'__ k'__ o_h'__ o_w'__ : Z) : R := eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__).
Lemma chain_output : forall n'__ g'__ k'__ o_h'__ o_w'__ : Z, d_output n'__ g'__ k'__ o_h'__ o_w'__ =
  (Σ c'__ < C, Σ a_h'__ < k_h, Σ a_w'__ < k_w, [inside (a_h'__ * d_h + o_h'__ * s_h - p_h) H && inside (a_w'__ * d_w + o_w'__ * s_w - p_w) W && (n'__ - n =? 0) && (g'__ - g =? 0) && (c'__ - c =? 0) && ((a_h'__ * d_h + o_h'__ * s_h - p_h) - i_h =? 0) && ((a_w'__ * d_w + o_w'__ * s_w - p_w) - i_w =? 0)] ((weight g'__ k'__ c'__ a_h'__ a_w'__))).
Proof. intros. unfold d_output, Definitions.output. rewrite ?eps_add.
transitivity (((Σ c'__ < C, Σ a_h'__ < k_h, Σ a_w'__ < k_w, [inside (a_h'__ * d_h + o_h'__ * s_h - p_h) H && inside (a_w'__ * d_w + o_w'__ * s_w - p_w) W && (n'__ - n =? 0) && (g'__ - g =? 0) && (c'__ - c =? 0) && ((a_h'__ * d_h + o_h'__ * s_h - p_h) - i_h =? 0) && ((a_w'__ * d_w + o_w'__ * s_w - p_w) - i_w =? 0)] ((weight g'__ k'__ c'__ a_h'__ a_w'__)))) +! ((zero : R))); [|algebra].
apply add_same.
{
rewrite eps_sum; apply sum_ext; intros c'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros a_h'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros a_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
}
{
autorewrite with derivatives; open_brackets; algebra.
}
Qed.
Lemma eps_output : forall n'__ g'__ k'__ o_h'__ o_w'__, eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = d_output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. reflexivity. Qed.
Hint Rewrite eps_output : derivatives.
Lemma val_loss : val (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = loss.
Proof. intros. unfold Definitions.loss. value. Qed.
Hint Rewrite val_loss : values derivatives.
Definition d_loss : R := eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output).
Lemma chain_loss : d_loss =
  (Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))).
Proof. intros. unfold d_loss, Definitions.loss. rewrite ?eps_add.
transitivity (((Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))))); [|algebra].
rewrite eps_sum; apply sum_ext; intros n'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros g'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros k'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_h'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
Qed.
Lemma eps_loss : eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = d_loss.
Proof. reflexivity. Qed.
Hint Rewrite eps_loss : derivatives.
(* (4) chain: chain rule: every entry of what defines loss contributes *)
Lemma left_1 :
  ((d_loss)) =
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n' g' k o_h o_w) *! (d_output n' g' k o_h o_w))).
Proof.
pose (_f := fun _x : R => (_x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : d_loss = (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n' g' k o_h o_w) *! (d_output n' g' k o_h o_w)))) by (rewrite chain_loss; same).
match goal with |- _ = ?right_ => change (_f d_loss = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros n' n'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros g' g'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros k k_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_h o_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_w o_w_range; cbv beta.
unfold _f.
algebra.
Qed.
(* (5) chain: local derivative: output changes only where it reads that entry of input *)
Lemma left_2 :
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n' g' k o_h o_w) *! (d_output n' g' k o_h o_w))) =
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- c + c' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g' k o_h o_w) *! (weight g' k c' a_h a_w))).
Proof.
apply sum_ext; intros n' n'_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
pose (_f := fun _x : R => ((grad_output n' g' k o_h o_w) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (d_output n' g' k o_h o_w) = (Σ c' < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- c + c' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((weight g' k c' a_h a_w)))) by (rewrite chain_output; same).
match goal with |- _ = ?right_ => change (_f (d_output n' g' k o_h o_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros c' c'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_h a_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_w a_w_range; cbv beta.
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (6) delta: delta elimination: one value of the summed index remains *)
Lemma left_3 :
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- c + c' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g' k o_h o_w) *! (weight g' k c' a_h a_w))) =
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g' k o_h o_w) *! (weight g' k c a_h a_w))).
Proof.
apply sum_ext; intros n' n'_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
sink_left.
apply sum_ext; intros a_h a_h_range; cbv beta.
sink_left.
apply sum_ext; intros a_w a_w_range; cbv beta.
bracket_right.
apply (delta_rule R C c
  (fun c' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- c + c' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0))).
- intros c' _c.
  exact (pinned _ c' c (zero_elim _ (and_right _ _ (and_left _ _ (and_left _ _ _c)))) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && true && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro c C (C - c - 1) c_low c_high ltac:(ring)).
- same.
Qed.
(* (6) delta: delta elimination: one value of the summed index remains *)
Lemma left_4 :
  (Σ n' < N, Σ g' < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g' k o_h o_w) *! (weight g' k c a_h a_w))) =
  (Σ n' < N, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
apply sum_ext; intros n' n'_range; cbv beta.
sink_left.
apply sum_ext; intros k k_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
sink_left.
apply sum_ext; intros a_h a_h_range; cbv beta.
sink_left.
apply sum_ext; intros a_w a_w_range; cbv beta.
bracket_right.
apply (delta_rule R groups g
  (fun g' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- g + g' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0))).
- intros g' _c.
  exact (pinned _ g' g (zero_elim _ (and_right _ _ (and_left _ _ (and_left _ _ _c)))) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && true && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro g groups (- g + groups - 1) g_low g_high ltac:(ring)).
- same.
Qed.
(* (6) delta: delta elimination: one value of the summed index remains *)
Lemma left_5 :
  (Σ n' < N, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n' g k o_h o_w) *! (weight g k c a_h a_w))) =
  (Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
sink_left.
apply sum_ext; intros k k_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
sink_left.
apply sum_ext; intros a_h a_h_range; cbv beta.
sink_left.
apply sum_ext; intros a_w a_w_range; cbv beta.
bracket_right.
apply (delta_rule R N n
  (fun n' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- n + n' =? 0) && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0))).
- intros n' _c.
  exact (pinned _ n' n (zero_elim _ (and_right _ _ (and_left _ _ (and_left _ _ _c)))) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && true && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro n N (N - n - 1) n_low n_high ltac:(ring)).
- same.
Qed.
(* (7) guard: the equation already keeps the index inside: the bracket is redundant *)
Lemma left_6 :
  (Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))) =
  (Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
apply sum_ext; intros a_w a_w_range; cbv beta.
bracket_left. bracket_right. apply guard_rule; intro _c.
- exact (and_intro _ _ (zero_intro (- (a_h * d_h) - o_h * s_h + i_h + p_h) (a_h * d_h + o_h * s_h - i_h - p_h) (equal_low _ (zero_elim _ (and_right _ _ (and_left _ _ _c)))) (equal_high _ (a_h * d_h + o_h * s_h - i_h - p_h) (zero_elim _ (and_right _ _ (and_left _ _ _c))) ltac:(ring)) ltac:(ring)) (zero_intro (- (a_w * d_w) - o_w * s_w + i_w + p_w) (a_w * d_w + o_w * s_w - i_w - p_w) (equal_low _ (zero_elim _ (and_right _ _ _c))) (equal_high _ (a_w * d_w + o_w * s_w - i_w - p_w) (zero_elim _ (and_right _ _ _c)) ltac:(ring)) ltac:(ring))).
- exact (and_intro _ _ (and_intro _ _ (and_intro _ _ (inside_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (side_9 a_h d_h i_h o_h p_h s_h i_h_low (zero_elim _ (and_left _ _ _c))) (side_10 H a_h d_h i_h o_h p_h s_h i_h_high (zero_elim _ (and_left _ _ _c))) ltac:(ring)) (inside_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (side_11 a_w d_w i_w o_w p_w s_w i_w_low (zero_elim _ (and_right _ _ _c))) (side_12 W a_w d_w i_w o_w p_w s_w i_w_high (zero_elim _ (and_right _ _ _c))) ltac:(ring))) (zero_intro (- (a_h * d_h) - o_h * s_h + i_h + p_h) (a_h * d_h + o_h * s_h - i_h - p_h) (equal_low _ (zero_elim _ (and_left _ _ _c))) (equal_high _ (a_h * d_h + o_h * s_h - i_h - p_h) (zero_elim _ (and_left _ _ _c)) ltac:(ring)) ltac:(ring))) (zero_intro (- (a_w * d_w) - o_w * s_w + i_w + p_w) (a_w * d_w + o_w * s_w - i_w - p_w) (equal_low _ (zero_elim _ (and_right _ _ _c))) (equal_high _ (a_w * d_w + o_w * s_w - i_w - p_w) (zero_elim _ (and_right _ _ _c)) ltac:(ring)) ltac:(ring))).
Qed.
Lemma left_side :
  ((d_loss)) =
  (Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
etransitivity; [exact left_1|].
etransitivity; [exact left_2|].
etransitivity; [exact left_3|].
etransitivity; [exact left_4|].
etransitivity; [exact left_5|].
etransitivity; [exact left_6|].
reflexivity.
Qed.
(* (12) unfold: definition of bordered (border of zeros) *)
Lemma right_1 :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, ((bordered n g k (b_h * d_h + i_h) (b_w * d_w + i_w)) *! (flipped g c k b_h b_w))) =
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1)] ((spread n g k (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (b_w * d_w - d_w * k_w + d_w + i_w + p_w)) *! (flipped g c k b_h b_w))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros b_h b_h_range; cbv beta.
apply sum_ext; intros b_w b_w_range; cbv beta.
pose (_f := fun _x : R => (_x *! (flipped g c k b_h b_w))).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (bordered n g k (b_h * d_h + i_h) (b_w * d_w + i_w)) = ([inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1)] ((spread n g k (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (b_w * d_w - d_w * k_w + d_w + i_w + p_w))))) by (unfold Definitions.bordered; same).
match goal with |- _ = ?right_ => change (_f (bordered n g k (b_h * d_h + i_h) (b_w * d_w + i_w)) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (11) unfold: definition of spread (zero-insertion by the stride) *)
Lemma right_2 :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1)] ((spread n g k (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (b_w * d_w - d_w * k_w + d_w + i_w + p_w)) *! (flipped g c k b_h b_w))) =
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) && (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (flipped g c k b_h b_w))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros b_h b_h_range; cbv beta.
apply sum_ext; intros b_w b_w_range; cbv beta.
pose (_f := fun _x : R => [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1)] (_x *! (flipped g c k b_h b_w))).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (spread n g k (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (b_w * d_w - d_w * k_w + d_w + i_w + p_w)) = (Σ o_h < H_out, Σ o_w < W_out, [(b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w)))) by (unfold Definitions.spread; same).
match goal with |- _ = ?right_ => change (_f (spread n g k (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (b_w * d_w - d_w * k_w + d_w + i_w + p_w)) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_h o_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_w o_w_range; cbv beta.
rewrite (linear_brk R _f _ _ _L).
unfold _f.
rewrite brk_join. apply brk_same; [rewrite ?andb_assoc; reflexivity | algebra].
Qed.
(* (10) unfold: definition of flipped (flip and channel exchange) *)
Lemma right_3 :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) && (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (flipped g c k b_h b_w))) =
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) && (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1)))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros b_h b_h_range; cbv beta.
apply sum_ext; intros b_w b_w_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
pose (_f := fun _x : R => [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) && (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (flipped g c k b_h b_w) = (((weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1))))) by (unfold Definitions.flipped; same).
match goal with |- _ = ?right_ => change (_f (flipped g c k b_h b_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (9) guard: the equation already keeps the index inside: the bracket is redundant *)
Lemma right_4 :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [inside (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) && inside (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) && (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1)))) =
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1)))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros b_h b_h_range; cbv beta.
apply sum_ext; intros b_w b_w_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_left. bracket_right. apply guard_rule; intro _c.
- exact (and_intro _ _ (zero_intro (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h) (- (b_h * d_h) + d_h * k_h + o_h * s_h - d_h - i_h - p_h) (equal_low _ (zero_elim _ (and_right _ _ (and_left _ _ _c)))) (equal_high _ (- (b_h * d_h) + d_h * k_h + o_h * s_h - d_h - i_h - p_h) (zero_elim _ (and_right _ _ (and_left _ _ _c))) ltac:(ring)) ltac:(ring)) (zero_intro (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w) (- (b_w * d_w) + d_w * k_w + o_w * s_w - d_w - i_w - p_w) (equal_low _ (zero_elim _ (and_right _ _ _c))) (equal_high _ (- (b_w * d_w) + d_w * k_w + o_w * s_w - d_w - i_w - p_w) (zero_elim _ (and_right _ _ _c)) ltac:(ring)) ltac:(ring))).
- exact (and_intro _ _ (and_intro _ _ (and_intro _ _ (inside_intro (b_h * d_h - d_h * k_h + d_h + i_h + p_h) (H_out * s_h - s_h + 1) (H_out * s_h - b_h * d_h + d_h * k_h - d_h - i_h - p_h - s_h) (side_13 b_h d_h i_h k_h o_h p_h s_h fact_7 (proj1 o_h_range) (zero_elim _ (and_left _ _ _c))) (side_14 H_out b_h d_h i_h k_h o_h p_h s_h fact_7 (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) (zero_elim _ (and_left _ _ _c))) ltac:(ring)) (inside_intro (b_w * d_w - d_w * k_w + d_w + i_w + p_w) (W_out * s_w - s_w + 1) (W_out * s_w - b_w * d_w + d_w * k_w - d_w - i_w - p_w - s_w) (side_15 b_w d_w i_w k_w o_w p_w s_w fact_17 (proj1 o_w_range) (zero_elim _ (and_right _ _ _c))) (side_16 W_out b_w d_w i_w k_w o_w p_w s_w fact_17 (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) (zero_elim _ (and_right _ _ _c))) ltac:(ring))) (zero_intro (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h) (- (b_h * d_h) + d_h * k_h + o_h * s_h - d_h - i_h - p_h) (equal_low _ (zero_elim _ (and_left _ _ _c))) (equal_high _ (- (b_h * d_h) + d_h * k_h + o_h * s_h - d_h - i_h - p_h) (zero_elim _ (and_left _ _ _c)) ltac:(ring)) ltac:(ring))) (zero_intro (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w) (- (b_w * d_w) + d_w * k_w + o_w * s_w - d_w - i_w - p_w) (equal_low _ (zero_elim _ (and_right _ _ _c))) (equal_high _ (- (b_w * d_w) + d_w * k_w + o_w * s_w - d_w - i_w - p_w) (zero_elim _ (and_right _ _ _c)) ltac:(ring)) ltac:(ring))).
Qed.
(* (8) reindex: change of variable a_h := -b_h + k_h - 1: undo the flip *)
Lemma right_5 :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c (- b_h + k_h - 1) (- b_w + k_w - 1)))) =
  (Σ k < K, Σ a_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h (- b_w + k_w - 1)))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
sink_both.
apply sum_ext; intros b_w b_w_range; cbv beta.
sink_both.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_both.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_left. bracket_right.
apply (reindex_rule R _ _ (fun b_h => (b_h * d_h - d_h * k_h - o_h * s_h + d_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0))
  (fun a_h => (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0))
  _ _ (fun a_h => - a_h + k_h - 1) (fun b_h => - b_h + k_h - 1)).
- intros b_h b_h_range _c. exact (range_intro (- b_h + k_h - 1) k_h (b_h) (range_high _ _ (- b_h + k_h - 1) b_h_range ltac:(ring)) (proj1 b_h_range) ltac:(ring)).
- intros a_h a_h_range _c. exact (range_intro (- a_h + k_h - 1) k_h (a_h) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) (proj1 a_h_range) ltac:(ring)).
- intros b_h. ring.
- intros a_h. ring.
- intros a_h. cbv beta. same_condition.
- intros a_h. cbv beta. same.
Qed.
(* (8) reindex: change of variable a_w := -b_w + k_w - 1: undo the flip *)
Lemma right_6 :
  (Σ k < K, Σ a_h < k_h, Σ b_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h (- b_w + k_w - 1)))) =
  (Σ k < K, Σ a_h < k_h, Σ a_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
sink_both.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_both.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_left. bracket_right.
apply (reindex_rule R _ _ (fun b_w => (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (b_w * d_w - d_w * k_w - o_w * s_w + d_w + i_w + p_w =? 0))
  (fun a_w => (- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0))
  _ _ (fun a_w => - a_w + k_w - 1) (fun b_w => - b_w + k_w - 1)).
- intros b_w b_w_range _c. exact (range_intro (- b_w + k_w - 1) k_w (b_w) (range_high _ _ (- b_w + k_w - 1) b_w_range ltac:(ring)) (proj1 b_w_range) ltac:(ring)).
- intros a_w a_w_range _c. exact (range_intro (- a_w + k_w - 1) k_w (a_w) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) (proj1 a_w_range) ltac:(ring)).
- intros b_w. ring.
- intros a_w. ring.
- intros a_w. cbv beta. same_condition.
- intros a_w. cbv beta. same.
Qed.
Lemma right_side :
  (Σ k < K, Σ b_h < k_h, Σ b_w < k_w, ((bordered n g k (b_h * d_h + i_h) (b_w * d_w + i_w)) *! (flipped g c k b_h b_w))) =
  (Σ k < K, Σ a_h < k_h, Σ a_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
etransitivity; [exact right_1|].
etransitivity; [exact right_2|].
etransitivity; [exact right_3|].
etransitivity; [exact right_4|].
etransitivity; [exact right_5|].
etransitivity; [exact right_6|].
reflexivity.
Qed.
(* both sides are the same sum *)
Lemma sides_meet :
  (Σ k < K, Σ o_h < H_out, Σ o_w < W_out, Σ a_h < k_h, Σ a_w < k_w, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))) =
  (Σ k < K, Σ a_h < k_h, Σ a_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
Proof.
transitivity ((Σ k < K, Σ a_h < k_h, Σ a_w < k_w, Σ o_h < H_out, Σ o_w < W_out, [(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))) : R); [|same].
swap at 2.
swap at 1.
swap at 3.
swap at 2.
apply sum_ext; intros k k_range.
apply sum_ext; intros a_h a_h_range.
apply sum_ext; intros a_w a_w_range.
apply sum_ext; intros o_h o_h_range.
apply sum_ext; intros o_w o_w_range.
transitivity ([(- (a_h * d_h) - o_h * s_h + i_h + p_h =? 0) && (- (a_w * d_w) - o_w * s_w + i_w + p_w =? 0)] ((grad_output n g k o_h o_w) *! (weight g k c a_h a_w))).
- apply guard_rule; intro _c; [exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c)) | exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c))].
- apply brk_same; [reflexivity | algebra].
Qed.
Theorem holds : ((d_loss)) = grad_input n g c i_h i_w.
Proof. unfold Definitions.grad_input. exact (eq_trans left_side (eq_trans sides_meet (eq_sym right_side))). Qed.
End Proof.
Lemma not_empty : exists N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w n g c i_h i_w : Z,
  0 <= N - 1 /\
  0 <= groups - 1 /\
  0 <= C - 1 /\
  0 <= K - 1 /\
  0 <= H - 1 /\
  0 <= H_out - 1 /\
  0 <= k_h - 1 /\
  0 <= s_h - 1 /\
  0 <= d_h - 1 /\
  0 <= p_h /\
  0 <= q_h /\
  0 <= r_h /\
  0 <= - r_h + s_h - 1 /\
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 /\
  0 <= W - 1 /\
  0 <= W_out - 1 /\
  0 <= k_w - 1 /\
  0 <= s_w - 1 /\
  0 <= d_w - 1 /\
  0 <= p_w /\
  0 <= q_w /\
  0 <= r_w /\
  0 <= - r_w + s_w - 1 /\
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 /\
  0 <= n /\
  0 <= N - n - 1 /\
  0 <= g /\
  0 <= - g + groups - 1 /\
  0 <= c /\
  0 <= C - c - 1 /\
  0 <= i_h /\
  0 <= H - i_h - 1 /\
  0 <= i_w /\
  0 <= W - i_w - 1.
Proof. exists 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0. repeat split; apply Z.leb_le || idtac; reflexivity. Qed.
Theorem theorem :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> Z -> R) (bias : Z -> Z -> R) (grad_output : Z -> Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall n : Z, 0 <= n -> 0 <= N - n - 1 ->
  forall g : Z, 0 <= g -> 0 <= - g + groups - 1 ->
  forall c : Z, 0 <= c -> 0 <= C - c - 1 ->
  forall i_h : Z, 0 <= i_h -> 0 <= H - i_h - 1 ->
  forall i_w : Z, 0 <= i_w -> 0 <= W - i_w - 1 ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => seeded (input _j0 _j1 _j2 _j3 _j4) ((_j0 - n =? 0) && (_j1 - g =? 0) && (_j2 - c =? 0) && (_j3 - i_h =? 0) && (_j4 - i_w =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight _j0 _j1 _j2 _j3 _j4)) (fun _j0 _j1 => fixed (bias _j0 _j1)) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4))) =
  Definitions.grad_input R K H_out k_h s_h d_h p_h W_out k_w s_w d_w p_w weight grad_output n g c i_h i_w.
Proof. exact holds. Qed.
Section Reads_only.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Variable input' : Z -> Z -> Z -> Z -> Z -> R.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Hypothesis agree : forall _j0 _j1 _j2 _j3 _j4, 0 <= _j0 < N -> 0 <= _j1 < groups -> 0 <= _j2 < C -> 0 <= _j3 < H -> 0 <= _j4 < W -> input _j0 _j1 _j2 _j3 _j4 = input' _j0 _j1 _j2 _j3 _j4.
Lemma ext_output : forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias n g k o_h o_w =
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input' weight bias n g k o_h o_w.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range.
unfold Definitions.output.
apply add_same.
{
apply sum_ext; intros c c_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
apply sum_ext; intros a_w a_w_range; cbv beta.
apply brk_ext; intro _c.
apply mul_same.
{
reflexivity.
}
{
exact (agree n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w) (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (range_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring))).
}
}
{
reflexivity.
}
Qed.
Lemma ext_loss : 
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output =
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input' weight bias grad_output.
Proof. intros .
unfold Definitions.loss.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g g_range; cbv beta.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply mul_same.
{
reflexivity.
}
{
exact (ext_output n g k o_h o_w (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))).
}
Qed.
End Reads_only.
(* the same in PyTorch's layout *)
Theorem theorem_in_pytorch_layout :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> R) (bias : Z -> R) (grad_output : Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall _m0 _m1 _m2 _m3 : Z, 0 <= _m0 < N -> 0 <= _m1 < (groups * C) -> 0 <= _m2 < H -> 0 <= _m3 < W ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => seeded (input (_j0) (_j1 * C + _j2) (_j3) (_j4)) ((_j0 - _m0 =? 0) && (_j1 * C + _j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)))) =
  Definitions.grad_input R K H_out k_h s_h d_h p_h W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) _m0 (_m1 / C) (_m1 mod C) _m2 _m3.
Proof.
intros R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w input weight bias grad_output fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 
  _m0 _m1 _m2 _m3 _m0_range _m1_range _m2_range _m3_range.
transitivity (eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => seeded (input (_j0) (_j1 * C + _j2) (_j3) (_j4)) ((_j0 - _m0 =? 0) && (_j1 - (_m1 / C) =? 0) && (_j2 - (_m1 mod C) =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))))).
{ apply (f_equal eps).
  apply (ext_loss (dual R)
    N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => seeded (input (_j0) (_j1 * C + _j2) (_j3) (_j4)) ((_j0 - _m0 =? 0) && (_j1 * C + _j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => seeded (input (_j0) (_j1 * C + _j2) (_j3) (_j4)) ((_j0 - _m0 =? 0) && (_j1 - (_m1 / C) =? 0) && (_j2 - (_m1 mod C) =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23).
  intros _j0 _j1 _j2 _j3 _j4 _j0_range _j1_range _j2_range _j3_range _j4_range. apply (f_equal (seeded _)).
  rewrite (flat_place _m1 C _ _ _j2_range).
  rewrite ?andb_assoc; reflexivity. }
exact (theorem R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 _m0 (proj1 _m0_range) (range_high _m0 N (N - _m0 - 1) _m0_range ltac:(ring)) (_m1 / C) (proj1 (flat_row _m1 C _ fact_2 _m1_range)) (range_high (_m1 / C) groups (- (_m1 / C) + groups - 1) (flat_row _m1 C _ fact_2 _m1_range) ltac:(ring)) (_m1 mod C) (proj1 (flat_column _m1 C fact_2)) (range_high (_m1 mod C) C (C - (_m1 mod C) - 1) (flat_column _m1 C fact_2) ltac:(ring)) _m2 (proj1 _m2_range) (range_high _m2 H (H - _m2 - 1) _m2_range ltac:(ring)) _m3 (proj1 _m3_range) (range_high _m3 W (W - _m3 - 1) _m3_range ltac:(ring)) ).
Qed.
End Claim_input.
Module Claim_weight.
Module Definitions.
Section Over_a_ring.
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Definition output (n g k o_h o_w : Z) : R :=
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Definition loss : R :=
  (Σ n < N, Σ g < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w) *! (output n g k o_h o_w))).
Definition padded_input (n g c e_h e_w : Z) : R :=
  ([inside (e_h - p_h) H && inside (e_w - p_w) W] ((input n g c (e_h - p_h) (e_w - p_w)))).
Definition spread (n g k z_h z_w : Z) : R :=
  (Σ o_h < H_out, Σ o_w < W_out, [(- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0)] ((grad_output n g k o_h o_w))).
Definition grad_weight (g k c a_h a_w : Z) : R :=
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), ((padded_input n g c (a_h * d_h + z_h) (a_w * d_w + z_w)) *! (spread n g k z_h z_w))).
End Over_a_ring.
End Definitions.
Section Sizes.
Set Default Proof Using "All".
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
(* a length, rounded down *)
Lemma length_H_out : H_out = (- (d_h * k_h) + H + d_h + p_h + q_h - 1) / s_h + 1.
Proof. exact (quotient H_out s_h r_h _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  fact_11 fact_12 ltac:(ring) (same_by _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  (s_h * (H_out - 1) + r_h) fact_13 ltac:(ring))). Qed.
(* a length, rounded down *)
Lemma length_W_out : W_out = (- (d_w * k_w) + W + d_w + p_w + q_w - 1) / s_w + 1.
Proof. exact (quotient W_out s_w r_w _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  fact_21 fact_22 ltac:(ring) (same_by _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  (s_w * (W_out - 1) + r_w) fact_23 ltac:(ring))). Qed.
(* every read of output, term 1, is inside its tensor *)
Lemma reads_output_1 :
  forall n g k o_h o_w c a_h a_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W = true ->
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= a_h < k_h /\ 0 <= a_w < k_w /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + o_h * s_h - p_h < H /\ 0 <= a_w * d_w + o_w * s_w - p_w < W.
Proof. intros n g k o_h o_w c a_h a_w n_range g_range k_range o_h_range o_w_range c_range a_h_range a_w_range _c. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of output, term 2, is inside its tensor *)
Lemma reads_output_2 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= g < groups /\ 0 <= k < K.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))). Qed.
(* every read of loss, term 1, is inside its tensor *)
Lemma reads_loss_1 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of padded_input, term 1, is inside its tensor *)
Lemma reads_padded_input_1 :
  forall n g c e_h e_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= c < C -> 0 <= e_h < (H + p_h + q_h) -> 0 <= e_w < (W + p_w + q_w) -> inside (e_h - p_h) H && inside (e_w - p_w) W = true ->
  0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= e_h - p_h < H /\ 0 <= e_w - p_w < W.
Proof. intros n g c e_h e_w n_range g_range c_range e_h_range e_w_range _c. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (e_h - p_h) H (H - e_h + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (H - e_h + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (e_w - p_w) W (W - e_w + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (W - e_w + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring)))))). Qed.
(* every read of spread, term 1, is inside its tensor *)
Lemma reads_spread_1 :
  forall n g k z_h z_w o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= z_h < (H_out * s_h - s_h + 1) -> 0 <= z_w < (W_out * s_w - s_w + 1) -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> (- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0) = true ->
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k z_h z_w o_h o_w n_range g_range k_range z_h_range z_w_range o_h_range o_w_range _c. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)))))). Qed.
(* every read of grad_weight, term 1, is inside its tensor *)
Lemma reads_grad_weight_1 :
  forall g k c a_h a_w n z_h z_w : Z, 0 <= g < groups -> 0 <= k < K -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> 0 <= n < N -> 0 <= z_h < (H_out * s_h - s_h + 1) -> 0 <= z_w < (W_out * s_w - s_w + 1) -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + z_h < (H + p_h + q_h) /\ 0 <= a_w * d_w + z_w < (W + p_w + q_w) /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= z_h < (H_out * s_h - s_h + 1) /\ 0 <= z_w < (W_out * s_w - s_w + 1).
Proof. intros g k c a_h a_w n z_h z_w g_range k_range c_range a_h_range a_w_range n_range z_h_range z_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + z_h) (H + p_h + q_h) (- (a_h * d_h) + H + p_h + q_h - z_h - 1) (side_17 a_h d_h z_h fact_8 (proj1 a_h_range) (proj1 z_h_range)) (side_18 H H_out a_h d_h k_h p_h q_h r_h s_h z_h fact_8 fact_11 fact_13 (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) (range_high _ _ (H_out * s_h - s_h - z_h) z_h_range ltac:(ring))) ltac:(ring)) (conj (range_intro (a_w * d_w + z_w) (W + p_w + q_w) (- (a_w * d_w) + W + p_w + q_w - z_w - 1) (side_19 a_w d_w z_w fact_18 (proj1 a_w_range) (proj1 z_w_range)) (side_20 W W_out a_w d_w k_w p_w q_w r_w s_w z_w fact_18 fact_21 fact_23 (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) (range_high _ _ (W_out * s_w - s_w - z_w) z_w_range ltac:(ring))) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro z_h (H_out * s_h - s_h + 1) (H_out * s_h - s_h - z_h) (proj1 z_h_range) (range_high _ _ (H_out * s_h - s_h - z_h) z_h_range ltac:(ring)) ltac:(ring)) (range_intro z_w (W_out * s_w - s_w + 1) (W_out * s_w - s_w - z_w) (proj1 z_w_range) (range_high _ _ (W_out * s_w - s_w - z_w) z_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
End Sizes.
Section Proof.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Local Notation output := (Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias).
Local Notation loss := (Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output).
Local Notation padded_input := (Definitions.padded_input R H p_h W p_w input).
Local Notation spread := (Definitions.spread R H_out s_h W_out s_w grad_output).
Local Notation grad_weight := (Definitions.grad_weight R N H H_out s_h d_h p_h W W_out s_w d_w p_w input grad_output).
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Variable g : Z.
Hypothesis g_low : 0 <= g.
Hypothesis g_high : 0 <= - g + groups - 1.
Variable k : Z.
Hypothesis k_low : 0 <= k.
Hypothesis k_high : 0 <= K - k - 1.
Variable c : Z.
Hypothesis c_low : 0 <= c.
Hypothesis c_high : 0 <= C - c - 1.
Variable a_h : Z.
Hypothesis a_h_low : 0 <= a_h.
Hypothesis a_h_high : 0 <= - a_h + k_h - 1.
Variable a_w : Z.
Hypothesis a_w_low : 0 <= a_w.
Hypothesis a_w_high : 0 <= - a_w + k_w - 1.
Add Ring ring_of_proof : (laws R).
Ltac algebra := ring.
Definition dual_input : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (input _j0 _j1 _j2 _j3 _j4).
Definition dual_weight : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => seeded (weight _j0 _j1 _j2 _j3 _j4) ((_j0 - g =? 0) && (_j1 - k =? 0) && (_j2 - c =? 0) && (_j3 - a_h =? 0) && (_j4 - a_w =? 0)).
Definition dual_bias : Z -> Z -> dual R := fun _j0 _j1 => fixed (bias _j0 _j1).
Definition dual_grad_output : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4).
Lemma val_input : forall _j0 _j1 _j2 _j3 _j4, val (dual_input _j0 _j1 _j2 _j3 _j4) = input _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_input : values derivatives.
Lemma eps_input : forall _j0 _j1 _j2 _j3 _j4, eps (dual_input _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_input : derivatives.
Lemma val_weight : forall _j0 _j1 _j2 _j3 _j4, val (dual_weight _j0 _j1 _j2 _j3 _j4) = weight _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_weight : values derivatives.
Lemma eps_weight : forall _j0 _j1 _j2 _j3 _j4, eps (dual_weight _j0 _j1 _j2 _j3 _j4) = [(_j0 - g =? 0) && (_j1 - k =? 0) && (_j2 - c =? 0) && (_j3 - a_h =? 0) && (_j4 - a_w =? 0)] (one : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_weight : derivatives.
Lemma val_bias : forall _j0 _j1, val (dual_bias _j0 _j1) = bias _j0 _j1.
Proof. reflexivity. Qed.
Hint Rewrite val_bias : values derivatives.
Lemma eps_bias : forall _j0 _j1, eps (dual_bias _j0 _j1) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_bias : derivatives.
Lemma val_grad_output : forall _j0 _j1 _j2 _j3 _j4, val (dual_grad_output _j0 _j1 _j2 _j3 _j4) = grad_output _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_grad_output : values derivatives.
Lemma eps_grad_output : forall _j0 _j1 _j2 _j3 _j4, eps (dual_grad_output _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_grad_output : derivatives.
Lemma val_output : forall n'__ g'__ k'__ o_h'__ o_w'__, val (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. intros. unfold Definitions.output. value. Qed.
Hint Rewrite val_output : values derivatives.
Definition d_output (n'__ g'__ k'__ o_h'__ o_w'__ : Z) : R := eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__).
Lemma chain_output : forall n'__ g'__ k'__ o_h'__ o_w'__ : Z, d_output n'__ g'__ k'__ o_h'__ o_w'__ =
  (Σ c'__ < C, Σ a_h'__ < k_h, Σ a_w'__ < k_w, [inside (a_h'__ * d_h + o_h'__ * s_h - p_h) H && inside (a_w'__ * d_w + o_w'__ * s_w - p_w) W && (g'__ - g =? 0) && (k'__ - k =? 0) && (c'__ - c =? 0) && (a_h'__ - a_h =? 0) && (a_w'__ - a_w =? 0)] ((input n'__ g'__ c'__ (a_h'__ * d_h + o_h'__ * s_h - p_h) (a_w'__ * d_w + o_w'__ * s_w - p_w)))).
Proof. intros. unfold d_output, Definitions.output. rewrite ?eps_add.
transitivity (((Σ c'__ < C, Σ a_h'__ < k_h, Σ a_w'__ < k_w, [inside (a_h'__ * d_h + o_h'__ * s_h - p_h) H && inside (a_w'__ * d_w + o_w'__ * s_w - p_w) W && (g'__ - g =? 0) && (k'__ - k =? 0) && (c'__ - c =? 0) && (a_h'__ - a_h =? 0) && (a_w'__ - a_w =? 0)] ((input n'__ g'__ c'__ (a_h'__ * d_h + o_h'__ * s_h - p_h) (a_w'__ * d_w + o_w'__ * s_w - p_w))))) +! ((zero : R))); [|algebra].
apply add_same.
{
rewrite eps_sum; apply sum_ext; intros c'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros a_h'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros a_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
}
{
autorewrite with derivatives; open_brackets; algebra.
}
Qed.
Lemma eps_output : forall n'__ g'__ k'__ o_h'__ o_w'__, eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = d_output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. reflexivity. Qed.
Hint Rewrite eps_output : derivatives.
Lemma val_loss : val (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = loss.
Proof. intros. unfold Definitions.loss. value. Qed.
Hint Rewrite val_loss : values derivatives.
Definition d_loss : R := eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output).
Lemma chain_loss : d_loss =
  (Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))).
Proof. intros. unfold d_loss, Definitions.loss. rewrite ?eps_add.
transitivity (((Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))))); [|algebra].
rewrite eps_sum; apply sum_ext; intros n'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros g'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros k'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_h'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
Qed.
Lemma eps_loss : eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = d_loss.
Proof. reflexivity. Qed.
Hint Rewrite eps_loss : derivatives.
(* (14) chain: chain rule: every entry of what defines loss contributes *)
Lemma left_1 :
  ((d_loss)) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w))).
Proof.
pose (_f := fun _x : R => (_x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : d_loss = (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w)))) by (rewrite chain_loss; same).
match goal with |- _ = ?right_ => change (_f d_loss = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros n n_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros g' g'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros k' k'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_h o_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_w o_w_range; cbv beta.
unfold _f.
algebra.
Qed.
(* (15) chain: local derivative: output changes only where it reads that entry of weight *)
Lemma left_2 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w))) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h' < k_h, Σ a_w' < k_w, [inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w' * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0) && (- a_w + a_w' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h' * d_h + o_h * s_h - p_h) (a_w' * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k' k'_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
pose (_f := fun _x : R => ((grad_output n g' k' o_h o_w) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (d_output n g' k' o_h o_w) = (Σ c' < C, Σ a_h' < k_h, Σ a_w' < k_w, [inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w' * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0) && (- a_w + a_w' =? 0)] ((input n g' c' (a_h' * d_h + o_h * s_h - p_h) (a_w' * d_w + o_w * s_w - p_w))))) by (rewrite chain_output; same).
match goal with |- _ = ?right_ => change (_f (d_output n g' k' o_h o_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros c' c'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_h' a_h'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros a_w' a_w'_range; cbv beta.
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (16) delta: delta elimination: one value of the summed index remains *)
Lemma left_3 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h' < k_h, Σ a_w' < k_w, [inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w' * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0) && (- a_w + a_w' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h' * d_h + o_h * s_h - p_h) (a_w' * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h' < k_h, [inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h' * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k' k'_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply sum_ext; intros c' c'_range; cbv beta.
apply sum_ext; intros a_h' a_h'_range; cbv beta.
bracket_right.
apply (delta_rule R k_w a_w
  (fun a_w' => inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w' * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0) && (- a_w + a_w' =? 0))).
- intros a_w' _c.
  exact (pinned _ a_w' a_w (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro a_w k_w (- a_w + k_w - 1) a_w_low a_w_high ltac:(ring)).
- same.
Qed.
(* (16) delta: delta elimination: one value of the summed index remains *)
Lemma left_4 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, Σ a_h' < k_h, [inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h' * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k' k'_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply sum_ext; intros c' c'_range; cbv beta.
bracket_right.
apply (delta_rule R k_h a_h
  (fun a_h' => inside (a_h' * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && (- a_h + a_h' =? 0))).
- intros a_h' _c.
  exact (pinned _ a_h' a_h (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro a_h k_h (- a_h + k_h - 1) a_h_low a_h_high ltac:(ring)).
- same.
Qed.
(* (16) delta: delta elimination: one value of the summed index remains *)
Lemma left_5 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, Σ c' < C, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c' (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k' k'_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R C c
  (fun c' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && (- c + c' =? 0))).
- intros c' _c.
  exact (pinned _ c' c (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro c C (C - c - 1) c_low c_high ltac:(ring)).
- same.
Qed.
(* (16) delta: delta elimination: one value of the summed index remains *)
Lemma left_6 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0)] ((grad_output n g' k' o_h o_w) *! (input n g' c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ g' < groups, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0)] ((grad_output n g' k o_h o_w) *! (input n g' c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R K k
  (fun k' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && (- k + k' =? 0))).
- intros k' _c.
  exact (pinned _ k' k (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro k K (K - k - 1) k_low k_high ltac:(ring)).
- same.
Qed.
(* (16) delta: delta elimination: one value of the summed index remains *)
Lemma left_7 :
  (Σ n < N, Σ g' < groups, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0)] ((grad_output n g' k o_h o_w) *! (input n g' c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((grad_output n g k o_h o_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R groups g
  (fun g' => inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- g + g' =? 0))).
- intros g' _c.
  exact (pinned _ g' g (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro g groups (- g + groups - 1) g_low g_high ltac:(ring)).
- same.
Qed.
Lemma left_side :
  ((d_loss)) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((grad_output n g k o_h o_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
Proof.
etransitivity; [exact left_1|].
etransitivity; [exact left_2|].
etransitivity; [exact left_3|].
etransitivity; [exact left_4|].
etransitivity; [exact left_5|].
etransitivity; [exact left_6|].
etransitivity; [exact left_7|].
reflexivity.
Qed.
(* (19) unfold: definition of padded_input (zero padding) *)
Lemma right_1 :
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), ((padded_input n g c (a_h * d_h + z_h) (a_w * d_w + z_w)) *! (spread n g k z_h z_w))) =
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w)) *! (spread n g k z_h z_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros z_h z_h_range; cbv beta.
apply sum_ext; intros z_w z_w_range; cbv beta.
pose (_f := fun _x : R => (_x *! (spread n g k z_h z_w))).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (padded_input n g c (a_h * d_h + z_h) (a_w * d_w + z_w)) = ([inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w))))) by (unfold Definitions.padded_input; same).
match goal with |- _ = ?right_ => change (_f (padded_input n g c (a_h * d_h + z_h) (a_w * d_w + z_w)) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (18) unfold: definition of spread (zero-insertion by the stride) *)
Lemma right_2 :
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w)) *! (spread n g k z_h z_w))) =
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W && (- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0)] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w)) *! (grad_output n g k o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros z_h z_h_range; cbv beta.
apply sum_ext; intros z_w z_w_range; cbv beta.
pose (_f := fun _x : R => [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w)) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (spread n g k z_h z_w) = (Σ o_h < H_out, Σ o_w < W_out, [(- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0)] ((grad_output n g k o_h o_w)))) by (unfold Definitions.spread; same).
match goal with |- _ = ?right_ => change (_f (spread n g k z_h z_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_h o_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_w o_w_range; cbv beta.
rewrite (linear_brk R _f _ _ _L).
unfold _f.
rewrite brk_join. apply brk_same; [rewrite ?andb_assoc; reflexivity | algebra].
Qed.
(* (17) delta: delta elimination: one value of the summed index remains *)
Lemma right_3 :
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W && (- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0)] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w - p_w + z_w)) *! (grad_output n g k o_h o_w))) =
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (o_h * s_h) + z_h =? 0)] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros z_h z_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R (W_out * s_w - s_w + 1) (o_w * s_w)
  (fun z_w => inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w - p_w + z_w) W && (- (o_h * s_h) + z_h =? 0) && (- (o_w * s_w) + z_w =? 0))).
- intros z_w _c.
  exact (pinned _ z_w (o_w * s_w) (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (o_h * s_h) + z_h =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro (o_w * s_w) (W_out * s_w - s_w + 1) (W_out * s_w - o_w * s_w - s_w) (side_21 o_w s_w fact_17 (proj1 o_w_range)) (side_22 W_out o_w s_w fact_17 (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring))) ltac:(ring)).
- same.
Qed.
(* (17) delta: delta elimination: one value of the summed index remains *)
Lemma right_4 :
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (o_h * s_h) + z_h =? 0)] ((input n g c (a_h * d_h - p_h + z_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R (H_out * s_h - s_h + 1) (o_h * s_h)
  (fun z_h => inside (a_h * d_h - p_h + z_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && (- (o_h * s_h) + z_h =? 0))).
- intros z_h _c.
  exact (pinned _ z_h (o_h * s_h) (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity (inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro (o_h * s_h) (H_out * s_h - s_h + 1) (H_out * s_h - o_h * s_h - s_h) (side_23 o_h s_h fact_7 (proj1 o_h_range)) (side_24 H_out o_h s_h fact_7 (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring))) ltac:(ring)).
- same.
Qed.
Lemma right_side :
  (Σ n < N, Σ z_h < (H_out * s_h - s_h + 1), Σ z_w < (W_out * s_w - s_w + 1), ((padded_input n g c (a_h * d_h + z_h) (a_w * d_w + z_w)) *! (spread n g k z_h z_w))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))).
Proof.
etransitivity; [exact right_1|].
etransitivity; [exact right_2|].
etransitivity; [exact right_3|].
etransitivity; [exact right_4|].
reflexivity.
Qed.
(* both sides are the same sum *)
Lemma sides_meet :
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((grad_output n g k o_h o_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))).
Proof.
transitivity ((Σ n < N, Σ o_h < H_out, Σ o_w < W_out, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)) *! (grad_output n g k o_h o_w))) : R); [|same].
apply sum_ext; intros n n_range.
apply sum_ext; intros o_h o_h_range.
apply sum_ext; intros o_w o_w_range.
transitivity ([inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((grad_output n g k o_h o_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))).
- apply guard_rule; intro _c; [exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c)) | exact (and_intro _ _ (and_left _ _ _c) (and_right _ _ _c))].
- apply brk_same; [reflexivity | algebra].
Qed.
Theorem holds : ((d_loss)) = grad_weight g k c a_h a_w.
Proof. unfold Definitions.grad_weight. exact (eq_trans left_side (eq_trans sides_meet (eq_sym right_side))). Qed.
End Proof.
Lemma not_empty : exists N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w g k c a_h a_w : Z,
  0 <= N - 1 /\
  0 <= groups - 1 /\
  0 <= C - 1 /\
  0 <= K - 1 /\
  0 <= H - 1 /\
  0 <= H_out - 1 /\
  0 <= k_h - 1 /\
  0 <= s_h - 1 /\
  0 <= d_h - 1 /\
  0 <= p_h /\
  0 <= q_h /\
  0 <= r_h /\
  0 <= - r_h + s_h - 1 /\
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 /\
  0 <= W - 1 /\
  0 <= W_out - 1 /\
  0 <= k_w - 1 /\
  0 <= s_w - 1 /\
  0 <= d_w - 1 /\
  0 <= p_w /\
  0 <= q_w /\
  0 <= r_w /\
  0 <= - r_w + s_w - 1 /\
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 /\
  0 <= g /\
  0 <= - g + groups - 1 /\
  0 <= k /\
  0 <= K - k - 1 /\
  0 <= c /\
  0 <= C - c - 1 /\
  0 <= a_h /\
  0 <= - a_h + k_h - 1 /\
  0 <= a_w /\
  0 <= - a_w + k_w - 1.
Proof. exists 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0. repeat split; apply Z.leb_le || idtac; reflexivity. Qed.
Theorem theorem :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> Z -> R) (bias : Z -> Z -> R) (grad_output : Z -> Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall g : Z, 0 <= g -> 0 <= - g + groups - 1 ->
  forall k : Z, 0 <= k -> 0 <= K - k - 1 ->
  forall c : Z, 0 <= c -> 0 <= C - c - 1 ->
  forall a_h : Z, 0 <= a_h -> 0 <= - a_h + k_h - 1 ->
  forall a_w : Z, 0 <= a_w -> 0 <= - a_w + k_w - 1 ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input _j0 _j1 _j2 _j3 _j4)) (fun _j0 _j1 _j2 _j3 _j4 => seeded (weight _j0 _j1 _j2 _j3 _j4) ((_j0 - g =? 0) && (_j1 - k =? 0) && (_j2 - c =? 0) && (_j3 - a_h =? 0) && (_j4 - a_w =? 0))) (fun _j0 _j1 => fixed (bias _j0 _j1)) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4))) =
  Definitions.grad_weight R N H H_out s_h d_h p_h W W_out s_w d_w p_w input grad_output g k c a_h a_w.
Proof. exact holds. Qed.
Section Reads_only.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Variable weight' : Z -> Z -> Z -> Z -> Z -> R.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Hypothesis agree : forall _j0 _j1 _j2 _j3 _j4, 0 <= _j0 < groups -> 0 <= _j1 < K -> 0 <= _j2 < C -> 0 <= _j3 < k_h -> 0 <= _j4 < k_w -> weight _j0 _j1 _j2 _j3 _j4 = weight' _j0 _j1 _j2 _j3 _j4.
Lemma ext_output : forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias n g k o_h o_w =
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight' bias n g k o_h o_w.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range.
unfold Definitions.output.
apply add_same.
{
apply sum_ext; intros c c_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
apply sum_ext; intros a_w a_w_range; cbv beta.
apply brk_ext; intro _c.
apply mul_same.
{
exact (agree g k c a_h a_w (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring))).
}
{
reflexivity.
}
}
{
reflexivity.
}
Qed.
Lemma ext_loss : 
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output =
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight' bias grad_output.
Proof. intros .
unfold Definitions.loss.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g g_range; cbv beta.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply mul_same.
{
reflexivity.
}
{
exact (ext_output n g k o_h o_w (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))).
}
Qed.
End Reads_only.
(* the same in PyTorch's layout *)
Theorem theorem_in_pytorch_layout :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> R) (bias : Z -> R) (grad_output : Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall _m0 _m1 _m2 _m3 : Z, 0 <= _m0 < (groups * K) -> 0 <= _m1 < C -> 0 <= _m2 < k_h -> 0 <= _m3 < k_w ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => seeded (weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) ((_j0 * K + _j1 - _m0 =? 0) && (_j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)))) =
  Definitions.grad_weight R N H H_out s_h d_h p_h W W_out s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) (_m0 / K) (_m0 mod K) _m1 _m2 _m3.
Proof.
intros R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w input weight bias grad_output fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 
  _m0 _m1 _m2 _m3 _m0_range _m1_range _m2_range _m3_range.
transitivity (eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => seeded (weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) ((_j0 - (_m0 / K) =? 0) && (_j1 - (_m0 mod K) =? 0) && (_j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))))).
{ apply (f_equal eps).
  apply (ext_loss (dual R)
    N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => seeded (weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) ((_j0 * K + _j1 - _m0 =? 0) && (_j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) (fun _j0 _j1 => fixed (bias (_j0 * K + _j1))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => seeded (weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) ((_j0 - (_m0 / K) =? 0) && (_j1 - (_m0 mod K) =? 0) && (_j2 - _m1 =? 0) && (_j3 - _m2 =? 0) && (_j4 - _m3 =? 0))) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23).
  intros _j0 _j1 _j2 _j3 _j4 _j0_range _j1_range _j2_range _j3_range _j4_range. apply (f_equal (seeded _)).
  rewrite (flat_place _m0 K _ _ _j1_range).
  rewrite ?andb_assoc; reflexivity. }
exact (theorem R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 (_m0 / K) (proj1 (flat_row _m0 K _ fact_3 _m0_range)) (range_high (_m0 / K) groups (- (_m0 / K) + groups - 1) (flat_row _m0 K _ fact_3 _m0_range) ltac:(ring)) (_m0 mod K) (proj1 (flat_column _m0 K fact_3)) (range_high (_m0 mod K) K (K - (_m0 mod K) - 1) (flat_column _m0 K fact_3) ltac:(ring)) _m1 (proj1 _m1_range) (range_high _m1 C (C - _m1 - 1) _m1_range ltac:(ring)) _m2 (proj1 _m2_range) (range_high _m2 k_h (- _m2 + k_h - 1) _m2_range ltac:(ring)) _m3 (proj1 _m3_range) (range_high _m3 k_w (- _m3 + k_w - 1) _m3_range ltac:(ring)) ).
Qed.
End Claim_weight.
Module Claim_bias.
Module Definitions.
Section Over_a_ring.
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Definition output (n g k o_h o_w : Z) : R :=
  (Σ c < C, Σ a_h < k_h, Σ a_w < k_w, [inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W] ((weight g k c a_h a_w) *! (input n g c (a_h * d_h + o_h * s_h - p_h) (a_w * d_w + o_w * s_w - p_w)))) +! (((bias g k))).
Definition loss : R :=
  (Σ n < N, Σ g < groups, Σ k < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w) *! (output n g k o_h o_w))).
Definition grad_bias (g k : Z) : R :=
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))).
End Over_a_ring.
End Definitions.
Section Sizes.
Set Default Proof Using "All".
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
(* a length, rounded down *)
Lemma length_H_out : H_out = (- (d_h * k_h) + H + d_h + p_h + q_h - 1) / s_h + 1.
Proof. exact (quotient H_out s_h r_h _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  fact_11 fact_12 ltac:(ring) (same_by _ (- (d_h * k_h) + H + d_h + p_h + q_h - 1)
  (s_h * (H_out - 1) + r_h) fact_13 ltac:(ring))). Qed.
(* a length, rounded down *)
Lemma length_W_out : W_out = (- (d_w * k_w) + W + d_w + p_w + q_w - 1) / s_w + 1.
Proof. exact (quotient W_out s_w r_w _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  fact_21 fact_22 ltac:(ring) (same_by _ (- (d_w * k_w) + W + d_w + p_w + q_w - 1)
  (s_w * (W_out - 1) + r_w) fact_23 ltac:(ring))). Qed.
(* every read of output, term 1, is inside its tensor *)
Lemma reads_output_1 :
  forall n g k o_h o_w c a_h a_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 0 <= c < C -> 0 <= a_h < k_h -> 0 <= a_w < k_w -> inside (a_h * d_h + o_h * s_h - p_h) H && inside (a_w * d_w + o_w * s_w - p_w) W = true ->
  0 <= g < groups /\ 0 <= k < K /\ 0 <= c < C /\ 0 <= a_h < k_h /\ 0 <= a_w < k_w /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= c < C /\ 0 <= a_h * d_h + o_h * s_h - p_h < H /\ 0 <= a_w * d_w + o_w * s_w - p_w < W.
Proof. intros n g k o_h o_w c a_h a_w n_range g_range k_range o_h_range o_w_range c_range a_h_range a_w_range _c. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_h k_h (- a_h + k_h - 1) (proj1 a_h_range) (range_high _ _ (- a_h + k_h - 1) a_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro a_w k_w (- a_w + k_w - 1) (proj1 a_w_range) (range_high _ _ (- a_w + k_w - 1) a_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro c C (C - c - 1) (proj1 c_range) (range_high _ _ (C - c - 1) c_range ltac:(ring)) ltac:(ring)) (conj (range_intro (a_h * d_h + o_h * s_h - p_h) H (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (inside_low _ _ (and_left _ _ _c)) (inside_high _ _ (- (a_h * d_h) - o_h * s_h + H + p_h - 1) (and_left _ _ _c) ltac:(ring)) ltac:(ring)) (range_intro (a_w * d_w + o_w * s_w - p_w) W (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (inside_low _ _ (and_right _ _ _c)) (inside_high _ _ (- (a_w * d_w) - o_w * s_w + W + p_w - 1) (and_right _ _ _c) ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of output, term 2, is inside its tensor *)
Lemma reads_output_2 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= g < groups /\ 0 <= k < K.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))). Qed.
(* every read of loss, term 1, is inside its tensor *)
Lemma reads_loss_1 :
  forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out /\ 0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)) (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))))))))))). Qed.
(* every read of grad_bias, term 1, is inside its tensor *)
Lemma reads_grad_bias_1 :
  forall g k n o_h o_w : Z, 0 <= g < groups -> 0 <= k < K -> 0 <= n < N -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  0 <= n < N /\ 0 <= g < groups /\ 0 <= k < K /\ 0 <= o_h < H_out /\ 0 <= o_w < W_out.
Proof. intros g k n o_h o_w g_range k_range n_range o_h_range o_w_range. exact (conj (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (conj (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (conj (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (conj (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring)))))). Qed.
End Sizes.
Section Proof.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Local Notation output := (Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias).
Local Notation loss := (Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output).
Local Notation grad_bias := (Definitions.grad_bias R N H_out W_out grad_output).
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Variable g : Z.
Hypothesis g_low : 0 <= g.
Hypothesis g_high : 0 <= - g + groups - 1.
Variable k : Z.
Hypothesis k_low : 0 <= k.
Hypothesis k_high : 0 <= K - k - 1.
Add Ring ring_of_proof : (laws R).
Ltac algebra := ring.
Definition dual_input : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (input _j0 _j1 _j2 _j3 _j4).
Definition dual_weight : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (weight _j0 _j1 _j2 _j3 _j4).
Definition dual_bias : Z -> Z -> dual R := fun _j0 _j1 => seeded (bias _j0 _j1) ((_j0 - g =? 0) && (_j1 - k =? 0)).
Definition dual_grad_output : Z -> Z -> Z -> Z -> Z -> dual R := fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4).
Lemma val_input : forall _j0 _j1 _j2 _j3 _j4, val (dual_input _j0 _j1 _j2 _j3 _j4) = input _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_input : values derivatives.
Lemma eps_input : forall _j0 _j1 _j2 _j3 _j4, eps (dual_input _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_input : derivatives.
Lemma val_weight : forall _j0 _j1 _j2 _j3 _j4, val (dual_weight _j0 _j1 _j2 _j3 _j4) = weight _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_weight : values derivatives.
Lemma eps_weight : forall _j0 _j1 _j2 _j3 _j4, eps (dual_weight _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_weight : derivatives.
Lemma val_bias : forall _j0 _j1, val (dual_bias _j0 _j1) = bias _j0 _j1.
Proof. reflexivity. Qed.
Hint Rewrite val_bias : values derivatives.
Lemma eps_bias : forall _j0 _j1, eps (dual_bias _j0 _j1) = [(_j0 - g =? 0) && (_j1 - k =? 0)] (one : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_bias : derivatives.
Lemma val_grad_output : forall _j0 _j1 _j2 _j3 _j4, val (dual_grad_output _j0 _j1 _j2 _j3 _j4) = grad_output _j0 _j1 _j2 _j3 _j4.
Proof. reflexivity. Qed.
Hint Rewrite val_grad_output : values derivatives.
Lemma eps_grad_output : forall _j0 _j1 _j2 _j3 _j4, eps (dual_grad_output _j0 _j1 _j2 _j3 _j4) = (zero : R).
Proof. reflexivity. Qed.
Hint Rewrite eps_grad_output : derivatives.
Lemma val_output : forall n'__ g'__ k'__ o_h'__ o_w'__, val (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. intros. unfold Definitions.output. value. Qed.
Hint Rewrite val_output : values derivatives.
Definition d_output (n'__ g'__ k'__ o_h'__ o_w'__ : Z) : R := eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__).
Lemma chain_output : forall n'__ g'__ k'__ o_h'__ o_w'__ : Z, d_output n'__ g'__ k'__ o_h'__ o_w'__ =
  ([(g'__ - g =? 0) && (k'__ - k =? 0)] ((one : R))).
Proof. intros. unfold d_output, Definitions.output. rewrite ?eps_add.
transitivity (((zero : R)) +! (([(g'__ - g =? 0) && (k'__ - k =? 0)] ((one : R))))); [|algebra].
apply add_same.
{
rewrite eps_sum; apply sum_zero; intros c'__ _; cbv beta.
rewrite eps_sum; apply sum_zero; intros a_h'__ _; cbv beta.
rewrite eps_sum; apply sum_zero; intros a_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
}
{
autorewrite with derivatives; open_brackets; algebra.
}
Qed.
Lemma eps_output : forall n'__ g'__ k'__ o_h'__ o_w'__, eps (Definitions.output (dual R) C H k_h s_h d_h p_h W k_w s_w d_w p_w dual_input dual_weight dual_bias n'__ g'__ k'__ o_h'__ o_w'__) = d_output n'__ g'__ k'__ o_h'__ o_w'__.
Proof. reflexivity. Qed.
Hint Rewrite eps_output : derivatives.
Lemma val_loss : val (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = loss.
Proof. intros. unfold Definitions.loss. value. Qed.
Hint Rewrite val_loss : values derivatives.
Definition d_loss : R := eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output).
Lemma chain_loss : d_loss =
  (Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))).
Proof. intros. unfold d_loss, Definitions.loss. rewrite ?eps_add.
transitivity (((Σ n'__ < N, Σ g'__ < groups, Σ k'__ < K, Σ o_h'__ < H_out, Σ o_w'__ < W_out, ((grad_output n'__ g'__ k'__ o_h'__ o_w'__) *! (d_output n'__ g'__ k'__ o_h'__ o_w'__))))); [|algebra].
rewrite eps_sum; apply sum_ext; intros n'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros g'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros k'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_h'__ _; cbv beta.
rewrite eps_sum; apply sum_ext; intros o_w'__ _; cbv beta.
autorewrite with derivatives; open_brackets; algebra.
Qed.
Lemma eps_loss : eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w dual_input dual_weight dual_bias dual_grad_output) = d_loss.
Proof. reflexivity. Qed.
Hint Rewrite eps_loss : derivatives.
(* (21) chain: chain rule: every entry of what defines loss contributes *)
Lemma left_1 :
  ((d_loss)) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w))).
Proof.
pose (_f := fun _x : R => (_x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : d_loss = (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w)))) by (rewrite chain_loss; same).
match goal with |- _ = ?right_ => change (_f d_loss = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros n n_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros g' g'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros k' k'_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_h o_h_range; cbv beta.
rewrite (linear_sum R _f _ _ _L).
apply sum_ext; intros o_w o_w_range; cbv beta.
unfold _f.
algebra.
Qed.
(* (22) chain: local derivative: output changes only where it reads that entry of bias *)
Lemma left_2 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g' k' o_h o_w) *! (d_output n g' k' o_h o_w))) =
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, [(- g + g' =? 0) && (- k + k' =? 0)] ((grad_output n g' k' o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
apply sum_ext; intros k' k'_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
pose (_f := fun _x : R => ((grad_output n g' k' o_h o_w) *! _x)).
assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).
assert (_U : (d_output n g' k' o_h o_w) = ([(- g + g' =? 0) && (- k + k' =? 0)] ((one : R)))) by (rewrite chain_output; same).
match goal with |- _ = ?right_ => change (_f (d_output n g' k' o_h o_w) = right_) end.
etransitivity; [exact (f_equal _f _U)|].
rewrite (linear_brk R _f _ _ _L).
unfold _f.
apply brk_same; [reflexivity | algebra].
Qed.
(* (23) delta: delta elimination: one value of the summed index remains *)
Lemma left_3 :
  (Σ n < N, Σ g' < groups, Σ k' < K, Σ o_h < H_out, Σ o_w < W_out, [(- g + g' =? 0) && (- k + k' =? 0)] ((grad_output n g' k' o_h o_w))) =
  (Σ n < N, Σ g' < groups, Σ o_h < H_out, Σ o_w < W_out, [(- g + g' =? 0)] ((grad_output n g' k o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g' g'_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R K k
  (fun k' => (- g + g' =? 0) && (- k + k' =? 0))).
- intros k' _c.
  exact (pinned _ k' k (zero_elim _ (and_right _ _ _c)) ltac:(ring)).
- transitivity ((- g + g' =? 0) && true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro k K (K - k - 1) k_low k_high ltac:(ring)).
- same.
Qed.
(* (23) delta: delta elimination: one value of the summed index remains *)
Lemma left_4 :
  (Σ n < N, Σ g' < groups, Σ o_h < H_out, Σ o_w < W_out, [(- g + g' =? 0)] ((grad_output n g' k o_h o_w))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))).
Proof.
apply sum_ext; intros n n_range; cbv beta.
sink_left.
apply sum_ext; intros o_h o_h_range; cbv beta.
sink_left.
apply sum_ext; intros o_w o_w_range; cbv beta.
bracket_right.
apply (delta_rule R groups g
  (fun g' => (- g + g' =? 0))).
- intros g' _c.
  exact (pinned _ g' g (zero_elim _ _c) ltac:(ring)).
- transitivity (true); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].
- intro _c. exact (range_intro g groups (- g + groups - 1) g_low g_high ltac:(ring)).
- same.
Qed.
Lemma left_side :
  ((d_loss)) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))).
Proof.
etransitivity; [exact left_1|].
etransitivity; [exact left_2|].
etransitivity; [exact left_3|].
etransitivity; [exact left_4|].
reflexivity.
Qed.
Lemma right_side :
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))).
Proof.
reflexivity.
Qed.
(* both sides are the same sum *)
Lemma sides_meet :
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))) =
  (Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))).
Proof.
transitivity ((Σ n < N, Σ o_h < H_out, Σ o_w < W_out, ((grad_output n g k o_h o_w))) : R); [|same].
apply sum_ext; intros n n_range.
apply sum_ext; intros o_h o_h_range.
apply sum_ext; intros o_w o_w_range.
algebra.
Qed.
Theorem holds : ((d_loss)) = grad_bias g k.
Proof. unfold Definitions.grad_bias. exact (eq_trans left_side (eq_trans sides_meet (eq_sym right_side))). Qed.
End Proof.
Lemma not_empty : exists N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w g k : Z,
  0 <= N - 1 /\
  0 <= groups - 1 /\
  0 <= C - 1 /\
  0 <= K - 1 /\
  0 <= H - 1 /\
  0 <= H_out - 1 /\
  0 <= k_h - 1 /\
  0 <= s_h - 1 /\
  0 <= d_h - 1 /\
  0 <= p_h /\
  0 <= q_h /\
  0 <= r_h /\
  0 <= - r_h + s_h - 1 /\
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 /\
  0 <= W - 1 /\
  0 <= W_out - 1 /\
  0 <= k_w - 1 /\
  0 <= s_w - 1 /\
  0 <= d_w - 1 /\
  0 <= p_w /\
  0 <= q_w /\
  0 <= r_w /\
  0 <= - r_w + s_w - 1 /\
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 /\
  0 <= g /\
  0 <= - g + groups - 1 /\
  0 <= k /\
  0 <= K - k - 1.
Proof. exists 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0. repeat split; apply Z.leb_le || idtac; reflexivity. Qed.
Theorem theorem :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> Z -> R) (bias : Z -> Z -> R) (grad_output : Z -> Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall g : Z, 0 <= g -> 0 <= - g + groups - 1 ->
  forall k : Z, 0 <= k -> 0 <= K - k - 1 ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input _j0 _j1 _j2 _j3 _j4)) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight _j0 _j1 _j2 _j3 _j4)) (fun _j0 _j1 => seeded (bias _j0 _j1) ((_j0 - g =? 0) && (_j1 - k =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output _j0 _j1 _j2 _j3 _j4))) =
  Definitions.grad_bias R N H_out W_out grad_output g k.
Proof. exact holds. Qed.
Section Reads_only.
Set Default Proof Using "All".
Variable R : ring.
Variables N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z.
Variable input : Z -> Z -> Z -> Z -> Z -> R.
Variable weight : Z -> Z -> Z -> Z -> Z -> R.
Variable bias : Z -> Z -> R.
Variable grad_output : Z -> Z -> Z -> Z -> Z -> R.
Variable bias' : Z -> Z -> R.
Hypothesis fact_0 : 0 <= N - 1.
Hypothesis fact_1 : 0 <= groups - 1.
Hypothesis fact_2 : 0 <= C - 1.
Hypothesis fact_3 : 0 <= K - 1.
Hypothesis fact_4 : 0 <= H - 1.
Hypothesis fact_5 : 0 <= H_out - 1.
Hypothesis fact_6 : 0 <= k_h - 1.
Hypothesis fact_7 : 0 <= s_h - 1.
Hypothesis fact_8 : 0 <= d_h - 1.
Hypothesis fact_9 : 0 <= p_h.
Hypothesis fact_10 : 0 <= q_h.
Hypothesis fact_11 : 0 <= r_h.
Hypothesis fact_12 : 0 <= - r_h + s_h - 1.
Hypothesis fact_13 : - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0.
Hypothesis fact_14 : 0 <= W - 1.
Hypothesis fact_15 : 0 <= W_out - 1.
Hypothesis fact_16 : 0 <= k_w - 1.
Hypothesis fact_17 : 0 <= s_w - 1.
Hypothesis fact_18 : 0 <= d_w - 1.
Hypothesis fact_19 : 0 <= p_w.
Hypothesis fact_20 : 0 <= q_w.
Hypothesis fact_21 : 0 <= r_w.
Hypothesis fact_22 : 0 <= - r_w + s_w - 1.
Hypothesis fact_23 : - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0.
Hypothesis agree : forall _j0 _j1, 0 <= _j0 < groups -> 0 <= _j1 < K -> bias _j0 _j1 = bias' _j0 _j1.
Lemma ext_output : forall n g k o_h o_w : Z, 0 <= n < N -> 0 <= g < groups -> 0 <= k < K -> 0 <= o_h < H_out -> 0 <= o_w < W_out -> 
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias n g k o_h o_w =
  Definitions.output R C H k_h s_h d_h p_h W k_w s_w d_w p_w input weight bias' n g k o_h o_w.
Proof. intros n g k o_h o_w n_range g_range k_range o_h_range o_w_range.
unfold Definitions.output.
apply add_same.
{
apply sum_ext; intros c c_range; cbv beta.
apply sum_ext; intros a_h a_h_range; cbv beta.
apply sum_ext; intros a_w a_w_range; cbv beta.
apply brk_ext; intro _c.
apply mul_same.
{
reflexivity.
}
{
reflexivity.
}
}
{
exact (agree g k (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring))).
}
Qed.
Lemma ext_loss : 
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias grad_output =
  Definitions.loss R N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w input weight bias' grad_output.
Proof. intros .
unfold Definitions.loss.
apply sum_ext; intros n n_range; cbv beta.
apply sum_ext; intros g g_range; cbv beta.
apply sum_ext; intros k k_range; cbv beta.
apply sum_ext; intros o_h o_h_range; cbv beta.
apply sum_ext; intros o_w o_w_range; cbv beta.
apply mul_same.
{
reflexivity.
}
{
exact (ext_output n g k o_h o_w (range_intro n N (N - n - 1) (proj1 n_range) (range_high _ _ (N - n - 1) n_range ltac:(ring)) ltac:(ring)) (range_intro g groups (- g + groups - 1) (proj1 g_range) (range_high _ _ (- g + groups - 1) g_range ltac:(ring)) ltac:(ring)) (range_intro k K (K - k - 1) (proj1 k_range) (range_high _ _ (K - k - 1) k_range ltac:(ring)) ltac:(ring)) (range_intro o_h H_out (H_out - o_h - 1) (proj1 o_h_range) (range_high _ _ (H_out - o_h - 1) o_h_range ltac:(ring)) ltac:(ring)) (range_intro o_w W_out (W_out - o_w - 1) (proj1 o_w_range) (range_high _ _ (W_out - o_w - 1) o_w_range ltac:(ring)) ltac:(ring))).
}
Qed.
End Reads_only.
(* the same in PyTorch's layout *)
Theorem theorem_in_pytorch_layout :
  forall (R : ring) (N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w : Z) (input : Z -> Z -> Z -> Z -> R) (weight : Z -> Z -> Z -> Z -> R) (bias : Z -> R) (grad_output : Z -> Z -> Z -> Z -> R),
  0 <= N - 1 ->
  0 <= groups - 1 ->
  0 <= C - 1 ->
  0 <= K - 1 ->
  0 <= H - 1 ->
  0 <= H_out - 1 ->
  0 <= k_h - 1 ->
  0 <= s_h - 1 ->
  0 <= d_h - 1 ->
  0 <= p_h ->
  0 <= q_h ->
  0 <= r_h ->
  0 <= - r_h + s_h - 1 ->
  - (H_out * s_h) - d_h * k_h + H + d_h + p_h + q_h - r_h + s_h - 1 = 0 ->
  0 <= W - 1 ->
  0 <= W_out - 1 ->
  0 <= k_w - 1 ->
  0 <= s_w - 1 ->
  0 <= d_w - 1 ->
  0 <= p_w ->
  0 <= q_w ->
  0 <= r_w ->
  0 <= - r_w + s_w - 1 ->
  - (W_out * s_w) - d_w * k_w + W + d_w + p_w + q_w - r_w + s_w - 1 = 0 ->
  forall _m0 : Z, 0 <= _m0 < (groups * K) ->
  eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => seeded (bias (_j0 * K + _j1)) ((_j0 * K + _j1 - _m0 =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)))) =
  Definitions.grad_bias R N H_out W_out (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) (_m0 / K) (_m0 mod K).
Proof.
intros R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w input weight bias grad_output fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 
  _m0 _m0_range.
transitivity (eps (Definitions.loss (dual R) N groups C K H H_out k_h s_h d_h p_h W W_out k_w s_w d_w p_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => seeded (bias (_j0 * K + _j1)) ((_j0 - (_m0 / K) =? 0) && (_j1 - (_m0 mod K) =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))))).
{ apply (f_equal eps).
  apply (ext_loss (dual R)
    N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => fixed (input (_j0) (_j1 * C + _j2) (_j3) (_j4))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (weight (_j0 * K + _j1) (_j2) (_j3) (_j4))) (fun _j0 _j1 => seeded (bias (_j0 * K + _j1)) ((_j0 * K + _j1 - _m0 =? 0))) (fun _j0 _j1 _j2 _j3 _j4 => fixed (grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4))) (fun _j0 _j1 => seeded (bias (_j0 * K + _j1)) ((_j0 - (_m0 / K) =? 0) && (_j1 - (_m0 mod K) =? 0))) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23).
  intros _j0 _j1 _j0_range _j1_range. apply (f_equal (seeded _)).
  rewrite (flat_place _m0 K _ _ _j1_range).
  rewrite ?andb_assoc; reflexivity. }
exact (theorem R N groups C K H H_out k_h s_h d_h p_h q_h r_h W W_out k_w s_w d_w p_w q_w r_w (fun _j0 _j1 _j2 _j3 _j4 => input (_j0) (_j1 * C + _j2) (_j3) (_j4)) (fun _j0 _j1 _j2 _j3 _j4 => weight (_j0 * K + _j1) (_j2) (_j3) (_j4)) (fun _j0 _j1 => bias (_j0 * K + _j1)) (fun _j0 _j1 _j2 _j3 _j4 => grad_output (_j0) (_j1 * K + _j2) (_j3) (_j4)) fact_0 fact_1 fact_2 fact_3 fact_4 fact_5 fact_6 fact_7 fact_8 fact_9 fact_10 fact_11 fact_12 fact_13 fact_14 fact_15 fact_16 fact_17 fact_18 fact_19 fact_20 fact_21 fact_22 fact_23 (_m0 / K) (proj1 (flat_row _m0 K _ fact_3 _m0_range)) (range_high (_m0 / K) groups (- (_m0 / K) + groups - 1) (flat_row _m0 K _ fact_3 _m0_range) ltac:(ring)) (_m0 mod K) (proj1 (flat_column _m0 K fact_3)) (range_high (_m0 mod K) K (K - (_m0 mod K) - 1) (flat_column _m0 K fact_3) ltac:(ring)) ).
Qed.
End Claim_bias.
