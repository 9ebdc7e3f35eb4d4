(* Backflip.v: what every exported proof stands on. Finite sums over ranges of whole numbers in any commutative
   ring, brackets, the rules by which sums are rewritten, and derivatives by dual numbers. Standard library only. *)
Require Export ZArith Bool Ring Setoid.
Require Import Lia.
Global Open Scope Z_scope.

(* ---- commutative rings ------------------------------------------------------------------------------------- *)

Structure ring := Ring {
  car :> Type;
  zero : car; one : car;
  add : car -> car -> car; mul : car -> car -> car; sub : car -> car -> car; opp : car -> car;
  laws : ring_theory zero one add mul sub opp (@eq car) }.
Arguments zero {_}. Arguments one {_}.
Arguments add {_} _ _. Arguments mul {_} _ _. Arguments sub {_} _ _. Arguments opp {_} _.

(* [c] t is t where c holds, else 0; a sum runs over 0 <= i < n and is empty where n <= 0. *)
Definition brk {R : ring} (c : bool) (t : R) : R := if c then t else zero.
Fixpoint nsum {R : ring} (n : nat) (f : Z -> R) : R :=
  match n with O => zero | S m => add (nsum m f) (f (Z.of_nat m)) end.
Definition sum {R : ring} (n : Z) (f : Z -> R) : R := nsum (Z.to_nat n) f.
Definition inside (e n : Z) : bool := (0 <=? e) && (e <? n).

Declare Scope ring_scope.
Notation "x +! y" := (add x y) (at level 50, left associativity).
Notation "x *! y" := (mul x y) (at level 40, left associativity).
Notation "-! x" := (opp x) (at level 35, right associativity).
Notation "[ c ] t" := (brk c t) (at level 41, c at level 200, t at level 41, right associativity).
Notation "'Σ' i < n , t" := (sum n (fun i => t))
  (at level 45, i name, n at next level, t at level 45, right associativity).

(* ---- sums and brackets ------------------------------------------------------------------------------------- *)

Section Sums.
Variable R : ring.
Add Ring ring_of_sums : (laws R).
Implicit Types (x y : R) (f g : Z -> R).

Lemma sum_ext n f g : (forall i, 0 <= i < n -> f i = g i) -> sum n f = sum n g.
Proof.
  intro E. unfold sum.
  assert (A : forall m, (m <= Z.to_nat n)%nat -> nsum m f = nsum m g); [|apply A; lia].
  induction m; intro L; simpl; [reflexivity|]. rewrite IHm by lia. rewrite E by lia. reflexivity.
Qed.
Lemma sum_same n m f g : n = m -> (forall i, f i = g i) -> sum n f = sum m g.
Proof. intros -> E. apply sum_ext. auto. Qed.
Lemma sum_zero n f : (forall i, 0 <= i < n -> f i = zero) -> sum n f = zero.
Proof.
  intro E. rewrite (sum_ext n f (fun _ => zero) E). unfold sum.
  induction (Z.to_nat n) as [|m IH]; simpl; [|rewrite IH]; ring.
Qed.
Lemma sum_add n f g : sum n (fun i => f i +! g i) = sum n f +! sum n g.
Proof. unfold sum. induction (Z.to_nat n) as [|m IH]; simpl; [|rewrite IH]; ring. Qed.
Lemma sum_swap n m (h : Z -> Z -> R) : (Σ i < n, Σ j < m, h i j) = (Σ j < m, Σ i < n, h i j).
Proof.
  unfold sum at 1 4. induction (Z.to_nat n) as [|k IH]; simpl.
  - symmetry. apply sum_zero. reflexivity.
  - rewrite IH, <- sum_add. reflexivity.
Qed.
Lemma brk_true x : [true] x = x.
Proof. reflexivity. Qed.
Lemma brk_zero c : [c] zero = zero :> R.
Proof. destruct c; reflexivity. Qed.
Lemma brk_and a b x : [a && b] x = [a] [b] x.
Proof. destruct a, b; reflexivity. Qed.
Lemma brk_join a b x : [b] [a] x = [a && b] x.
Proof. destruct a, b; reflexivity. Qed.
Lemma brk_same a b x y : a = b -> x = y -> [a] x = [b] y.
Proof. intros -> ->. reflexivity. Qed.
Lemma brk_ext c x y : (c = true -> x = y) -> [c] x = [c] y.
Proof. destruct c; simpl; auto. Qed.
Lemma add_same x y x' y' : x = x' -> y = y' -> x +! y = x' +! y'.
Proof. intros -> ->. reflexivity. Qed.
Lemma mul_same x y x' y' : x = x' -> y = y' -> x *! y = x' *! y'.
Proof. intros -> ->. reflexivity. Qed.
Lemma opp_same x y : x = y -> -! x = -! y.
Proof. intros ->. reflexivity. Qed.

(* ---- the rules --------------------------------------------------------------------------------------------- *)

(* guard: conditions replaced by equivalent ones *)
Lemma guard_rule c d x : (c = true -> d = true) -> (d = true -> c = true) -> [c] x = [d] x.
Proof. destruct c, d; simpl; intros A B; auto; [discriminate A | discriminate B]; reflexivity. Qed.

(* delta: a summed index pinned to e by one of the conditions *)
Lemma delta_rule n e (c : Z -> bool) d f y :
  (forall v, c v = true -> v = e) -> c e = d -> (d = true -> 0 <= e < n) -> f e = y ->
  (Σ v < n, [c v] f v) = [d] y.
Proof.
  intros U <- I <-. destruct (c e) eqn:C.
  - specialize (I eq_refl). unfold sum. simpl.
    assert (A : forall m, (m <= Z.to_nat n)%nat ->
      nsum m (fun v => [c v] f v) = if e <? Z.of_nat m then f e else zero).
    { induction m; intro L; cbn [nsum]; [destruct (Z.ltb_spec e (Z.of_nat 0)); [lia|reflexivity]|].
      rewrite IHm by lia. destruct (Z.eq_dec (Z.of_nat m) e) as [Q|Q].
      - rewrite Q, C, brk_true. destruct (Z.ltb_spec e e); [lia|].
        destruct (Z.ltb_spec e (Z.of_nat (S m))); [ring|lia].
      - assert (V : c (Z.of_nat m) = false) by (destruct (c (Z.of_nat m)) eqn:D; auto; apply U in D; lia).
        rewrite V. change ([false] f (Z.of_nat m)) with (@zero R). destruct (Z.ltb_spec e (Z.of_nat m)), (Z.ltb_spec e (Z.of_nat (S m))); try lia; ring. }
    rewrite A by lia. destruct (Z.ltb_spec e (Z.of_nat (Z.to_nat n))); [reflexivity|lia].
  - apply sum_zero. intros v _. destruct (c v) eqn:D; [|reflexivity]. pose proof (U v D). subst. congruence.
Qed.

(* reindex: v = phi v', with psi the two-sided inverse *)
Lemma reindex_rule n m (c c' : Z -> bool) f f' (phi psi : Z -> Z) :
  (forall v, 0 <= v < n -> c v = true -> 0 <= psi v < m) ->
  (forall w, 0 <= w < m -> c' w = true -> 0 <= phi w < n) ->
  (forall v, phi (psi v) = v) -> (forall w, psi (phi w) = w) ->
  (forall w, c (phi w) = c' w) -> (forall w, f (phi w) = f' w) ->
  (Σ v < n, [c v] f v) = (Σ w < m, [c' w] f' w).
Proof.
  intros F G PQ QP CC FF.
  assert (A : forall v, 0 <= v < n -> [c v] f v = Σ w < m, [c' w && (w =? psi v)] f' w).
  { intros v I. symmetry. rewrite (delta_rule m (psi v) (fun w => c' w && (w =? psi v)) (c v) f' (f v)).
    - reflexivity.
    - intros w H. apply andb_prop in H. apply Z.eqb_eq, H.
    - rewrite Z.eqb_refl, andb_true_r, <- CC, PQ. reflexivity.
    - intro H. apply F; auto.
    - rewrite <- FF, PQ. reflexivity. }
  rewrite (sum_ext _ _ _ A), sum_swap. apply sum_ext. intros w J.
  apply (delta_rule n (phi w) (fun v => c' w && (w =? psi v)) (c' w) (fun _ => f' w) (f' w)).
  - intros v H. apply andb_prop in H. destruct H as [_ H]. apply Z.eqb_eq in H. rewrite H, PQ. reflexivity.
  - rewrite QP, Z.eqb_refl, andb_true_r. reflexivity.
  - intro H. apply G; auto.
  - reflexivity.
Qed.

(* unfold, chain: a factor opened where it stands, for a term is linear in each factor *)
Definition linear (f : R -> R) := (forall x y, f (x +! y) = f x +! f y) /\ f zero = zero.
Lemma linear_add (f : R -> R) x y : linear f -> f (x +! y) = f x +! f y.
Proof. intros [A _]. apply A. Qed.
Lemma linear_zero (f : R -> R) : linear f -> f zero = zero.
Proof. intros [_ A]. apply A. Qed.
Lemma linear_sum (f : R -> R) n g : linear f -> f (sum n g) = Σ i < n, f (g i).
Proof.
  intros [A B]. unfold sum. induction (Z.to_nat n) as [|m IH]; simpl; [assumption|].
  rewrite A, IH. reflexivity.
Qed.
Lemma linear_brk (f : R -> R) c x : linear f -> f ([c] x) = [c] f x.
Proof. intros [_ B]. destruct c; simpl; auto. Qed.
End Sums.

(* ---- derivatives: dual numbers a + b eps with eps eps = 0 -------------------------------------------------- *)

Section Dual.
Variable R : ring.
Add Ring ring_under_dual : (laws R).
Definition dual_mul (x y : R * R) : R * R := (fst x *! fst y, fst x *! snd y +! snd x *! fst y).
Lemma dual_laws : ring_theory (zero, zero) (one, zero)
  (fun x y : R * R => (fst x +! fst y, snd x +! snd y)) dual_mul
  (fun x y => (sub (fst x) (fst y), sub (snd x) (snd y))) (fun x => (-! fst x, -! snd x)) (@eq (R * R)).
Proof. split; intros; repeat match goal with x : (_ * _)%type |- _ => destruct x end;
  unfold dual_mul; simpl; f_equal; ring. Qed.
Definition dual : ring := Ring (R * R) _ _ _ _ _ _ dual_laws.
Definition val (x : dual) : R := fst x.
Definition eps (x : dual) : R := snd x.
Definition fixed (x : R) : dual := (x, zero).
Definition seeded (x : R) (c : bool) : dual := (x, [c] one).
(* a function f with derivative f' at a + b eps *)
Definition lift (f f' : R -> R) (x : dual) : dual := (f (fst x), f' (fst x) *! snd x).

Lemma val_add x y : val (x +! y) = val x +! val y. Proof. reflexivity. Qed.
Lemma eps_add x y : eps (x +! y) = eps x +! eps y. Proof. reflexivity. Qed.
Lemma val_mul x y : val (x *! y) = val x *! val y. Proof. reflexivity. Qed.
Lemma eps_mul x y : eps (x *! y) = val x *! eps y +! eps x *! val y. Proof. reflexivity. Qed.
Lemma val_opp x : val (-! x) = -! val x. Proof. reflexivity. Qed.
Lemma eps_opp x : eps (-! x) = -! eps x. Proof. reflexivity. Qed.
Lemma val_one : val one = one. Proof. reflexivity. Qed.
Lemma eps_one : eps one = zero. Proof. reflexivity. Qed.
Lemma val_zero : val zero = zero. Proof. reflexivity. Qed.
Lemma eps_zero : eps zero = zero. Proof. reflexivity. Qed.
Lemma val_brk c x : val ([c] x) = [c] val x. Proof. destruct c; reflexivity. Qed.
Lemma eps_brk c x : eps ([c] x) = [c] eps x. Proof. destruct c; reflexivity. Qed.
Lemma val_fixed x : val (fixed x) = x. Proof. reflexivity. Qed.
Lemma eps_fixed x : eps (fixed x) = zero. Proof. reflexivity. Qed.
Lemma val_seeded x c : val (seeded x c) = x. Proof. reflexivity. Qed.
Lemma eps_seeded x c : eps (seeded x c) = [c] one. Proof. reflexivity. Qed.
Lemma val_lift f f' x : val (lift f f' x) = f (val x). Proof. reflexivity. Qed.
Lemma eps_lift f f' x : eps (lift f f' x) = f' (val x) *! eps x. Proof. reflexivity. Qed.
Lemma val_sum n (f : Z -> dual) : val (sum n f) = Σ i < n, val (f i).
Proof. unfold sum. induction (Z.to_nat n) as [|m IH]; simpl; [reflexivity|]. rewrite <- IH. reflexivity. Qed.
Lemma eps_sum n (f : Z -> dual) : eps (sum n f) = Σ i < n, eps (f i).
Proof. unfold sum. induction (Z.to_nat n) as [|m IH]; simpl; [reflexivity|]. rewrite <- IH. reflexivity. Qed.
End Dual.
Arguments val {_} _. Arguments eps {_} _. Arguments fixed {_} _. Arguments seeded {_} _ _. Arguments lift {_} _ _ _.

(* ---- whole numbers ----------------------------------------------------------------------------------------- *)

Lemma inside_low e n : inside e n = true -> 0 <= e.
Proof. unfold inside. intro H. apply andb_prop in H. apply Z.leb_le, H. Qed.
Lemma inside_high e n x : inside e n = true -> x = n - 1 - e -> 0 <= x.
Proof. unfold inside. intros H ->. apply andb_prop in H. destruct H as [_ H]. apply Z.ltb_lt in H. lia. Qed.
Lemma inside_intro e n x : 0 <= e -> 0 <= x -> x = n - 1 - e -> inside e n = true.
Proof. intros A B ->. unfold inside. apply andb_true_intro. split; [apply Z.leb_le | apply Z.ltb_lt]; lia. Qed.
Lemma zero_elim e : (e =? 0) = true -> e = 0.
Proof. apply Z.eqb_eq. Qed.
Lemma zero_intro e x : 0 <= e -> 0 <= x -> x = - e -> (e =? 0) = true.
Proof. intros A B ->. apply Z.eqb_eq. lia. Qed.
Lemma equal_low e : e = 0 -> 0 <= e.
Proof. lia. Qed.
Lemma equal_high e x : e = 0 -> x = - e -> 0 <= x.
Proof. lia. Qed.
Lemma zero_flip a b : a = - b -> (a =? 0) = (b =? 0).
Proof. intros ->. destruct (Z.eqb_spec (- b) 0), (Z.eqb_spec b 0); lia || reflexivity. Qed.
Lemma range_high i n x : 0 <= i < n -> x = n - 1 - i -> 0 <= x.
Proof. lia. Qed.
Lemma range_intro i n x : 0 <= i -> 0 <= x -> x = n - 1 - i -> 0 <= i < n.
Proof. lia. Qed.
Lemma pinned x v e : x = 0 -> x = v - e -> v = e.
Proof. lia. Qed.
Lemma pinned_flip x v e : x = 0 -> x = e - v -> v = e.
Proof. lia. Qed.
Lemma and_left a b : a && b = true -> a = true.
Proof. intro H. apply andb_prop in H. apply H. Qed.
Lemma and_right a b : a && b = true -> b = true.
Proof. intro H. apply andb_prop in H. apply H. Qed.
Lemma and_intro a b : a = true -> b = true -> a && b = true.
Proof. intros -> ->. reflexivity. Qed.
Lemma same_by e a b : e = 0 -> a - b = e -> a = b.
Proof. lia. Qed.
Lemma same_by_flip e a b : e = 0 -> b - a = e -> a = b.
Proof. lia. Qed.
(* a length by quotient and remainder *)
Lemma quotient n s r x m : 0 <= r -> 0 <= x -> x = s - 1 - r -> m = s * (n - 1) + r -> n = m / s + 1.
Proof. intros A B -> E. assert (m / s = n - 1) by (symmetry; apply (Z.div_unique m s (n - 1) r); lia). lia. Qed.
(* two axes seen as one, row by row *)
Lemma flat_place m n q c :
  0 <= c < n -> (q * n + c - m =? 0) = (q - m / n =? 0) && (c - m mod n =? 0).
Proof.
  intro C. assert (P : 0 < n) by lia. pose proof (Z.div_mod m n ltac:(lia)) as E. pose proof (Z.mod_pos_bound m n P) as M.
  destruct (Z.eqb_spec (q * n + c - m) 0) as [H|H].
  - assert (q = m / n /\ c = m mod n) as [-> ->]; [|rewrite !Z.sub_diag; reflexivity].
    assert (m = n * q + c) by lia. split; [apply (Z.div_unique m n q c); lia | apply (Z.mod_unique m n q c); lia].
  - destruct (Z.eqb_spec (q - m / n) 0), (Z.eqb_spec (c - m mod n) 0); try reflexivity. exfalso. apply H. nia.
Qed.
Lemma flat_row m n a : 0 <= n - 1 -> 0 <= m < a * n -> 0 <= m / n < a.
Proof. intros. split; [apply Z.div_pos; lia | apply Z.div_lt_upper_bound; lia]. Qed.
Lemma flat_column m n : 0 <= n - 1 -> 0 <= m mod n < n.
Proof. intro. apply Z.mod_pos_bound. lia. Qed.
(* a certificate: a sum of products of what is not negative, plus multiples of what is 0, is a negative number *)
Lemma certificate goal positive nothing d :
  (0 <= - goal - 1 -> 0 <= positive) -> nothing = 0 -> positive + nothing = Zneg d -> 0 <= goal.
Proof. intros A B C. destruct (Z.leb_spec 0 goal); [assumption|]. specialize (A ltac:(lia)). lia. Qed.

Global Hint Rewrite val_add val_mul val_opp val_one val_zero val_fixed val_seeded val_lift : values.
Global Hint Rewrite val_add val_mul val_opp val_one val_zero val_fixed val_seeded val_lift
  eps_add eps_mul eps_opp eps_one eps_zero eps_fixed eps_seeded eps_lift eps_brk : derivatives.

(* ---- tactics ----------------------------------------------------------------------------------------------- *)

(* conditions that differ in how a polynomial is written; (e = 0) with e identically 0 is true *)
Ltac same_condition :=
  first [ reflexivity
        | match goal with
          | |- andb _ _ = andb _ _ => apply f_equal2; same_condition
          | |- inside _ _ = inside _ _ => apply f_equal2; ring
          | |- (_ =? 0) = (_ =? 0) => first [apply f_equal2; [ring | reflexivity] | apply zero_flip; ring]
          | |- (_ =? 0) = true => apply Z.eqb_eq; ring
          end ].
Ltac same_entry := first [reflexivity | f_equal; ring | f_equal; f_equal; ring].
(* expressions that differ in how polynomials in them are written *)
Ltac same :=
  first [ reflexivity
        | match goal with
          | |- sum _ _ = sum _ _ => apply sum_same; [ring | intro; same]
          | |- brk _ _ = brk _ _ => apply brk_same; [same_condition | same]
          | |- add _ _ = add _ _ => apply add_same; same
          | |- mul _ _ = mul _ _ => apply mul_same; same
          | |- opp _ = opp _ => apply opp_same; same
          end
        | same_entry ].
(* both sides seen as brackets *)
Ltac bracket_left := match goal with |- brk _ _ = _ => idtac | |- ?x = _ => change x with (brk true x) end.
Ltac bracket_right := match goal with |- _ = brk _ _ => idtac | |- _ = ?x => change x with (brk true x) end.
(* two neighbouring sums change places, under d others *)
Tactic Notation "swap" "at" integer(d) :=
  etransitivity; [do d (apply sum_ext; intros ? _); apply sum_swap | cbv beta].
(* the outermost sum of the left, or of both sides, goes one place inward *)
Ltac sink_left := etransitivity; [apply sum_swap | cbv beta].
Ltac sink_both := sink_left; symmetry; sink_left; symmetry.
(* values of dual numbers: the leaves are left to the rewriting base `values` *)
Ltac value :=
  lazymatch goal with
  | |- val (sum _ _) = _ => rewrite val_sum; apply sum_ext; intros ? _; value
  | |- val (brk _ _) = _ => rewrite val_brk; apply brk_same; [reflexivity | value]
  | |- val (add _ _) = add _ _ => rewrite val_add; apply add_same; value
  | |- _ => autorewrite with values; reflexivity
  end.
Ltac open_brackets :=
  rewrite ?brk_and; unfold brk;
  repeat match goal with |- context [if ?b then _ else _] => destruct b end.
Ltac nonnegative :=
  repeat first [assumption | apply Z.add_nonneg_nonneg | apply Z.mul_nonneg_nonneg | (apply Z.leb_le; reflexivity)].
