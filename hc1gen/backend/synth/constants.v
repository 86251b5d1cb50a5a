// A full adder with two constant inputs is no adder.
(* techmap_celltype = "hc1gen_fa" *)
module hc1gen_map_constants(a, b, c, s, co);
    parameter _TECHMAP_CONSTMSK_a_ = 0;
    parameter _TECHMAP_CONSTMSK_b_ = 0;
    parameter _TECHMAP_CONSTMSK_c_ = 0;
    input a, b, c;
    output s, co;
    wire _TECHMAP_FAIL_ = _TECHMAP_CONSTMSK_a_ + _TECHMAP_CONSTMSK_b_ + _TECHMAP_CONSTMSK_c_ < 2;
    assign s = a ^ b ^ c;
    assign co = a & b | a & c | b & c;
endmodule
